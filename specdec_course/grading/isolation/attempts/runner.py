"""What the probes carry into a room: it runs attempts to get out, on order from outside.

Knows how an attempt is judged, and nothing of grading. An attempt returns in words what it got: then the layer did not
hold. It returns nothing, or ends in an OSError or a MemoryError, if it was stopped. Any other end proves nothing and
counts as not held. Nothing here does harm where it succeeds: signals are number 0, addresses are the prober's own.
"""

import json

import power
import reach


def serve(room) -> None:
    with room.makefile("rw") as lines:
        for line in lines:
            name, facts = json.loads(line)
            lines.write(json.dumps(attempt(name, facts)) + "\n")
            lines.flush()


def attempt(name: str, facts: dict) -> list:
    """[held, what was seen]."""
    try:
        break_out = getattr(reach, name, None) or getattr(power, name)
        got = break_out(facts)
    except (OSError, MemoryError) as stopped:
        return [True, " ".join(str(stopped).split()) or type(stopped).__name__]
    except BaseException as error:
        return [False, f"could not be tried: {type(error).__name__}: {error}"]
    return [got is None, got or "nothing was found"]
