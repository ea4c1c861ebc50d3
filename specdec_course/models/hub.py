"""Knows whether the Hugging Face Hub answers. Knows nothing about what is fetched from it."""

import functools
import threading

TIMEOUT = 2.5  # seconds for the whole question: name look-up, connection, encryption and answer
PROBE = "api/datasets/Salesforce/wikitext"


@functools.cache
def hub_reachable() -> bool:
    """Does the Hub answer? Found out in under 3 s and asked once per process.

    Asks through huggingface_hub's own client, so HF_ENDPOINT, HF_HUB_OFFLINE, proxies and certificates count
    exactly as they will for the download. No exception leaves this function: whatever goes wrong means no.
    """
    return answers_within(TIMEOUT)


def answers_within(timeout: float) -> bool:
    """One question to the Hub, at most `timeout` seconds long.

    It is asked in a thread of its own: a name look-up cannot be given a time limit, and a network that
    silently drops packets can hold it for half a minute.
    """
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    answers = []

    def ask():
        try:
            answer = get_session().get(f"{constants.ENDPOINT}/{PROBE}", timeout=timeout)
            answers.append(answer.status_code == 200)
        except Exception:  # no name, no route, a timeout, a proxy's refusal: all mean the same here
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    return bool(answers and answers[0])
