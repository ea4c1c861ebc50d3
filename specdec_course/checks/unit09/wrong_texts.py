"""Wrong rules for the target's own texts: a table (id, what the student reads, the rules that behave so).

Knows: the exercise's signature, and what people write. Does not know: how a rule is tried out (engine), what is right.
"""

from __future__ import annotations

import torch

from .teacher import sample_teacher


def text_rule(row=-1, feed=None, law=None, count=None, ends=None, keep=True, start=None, back=None, order=None):
    """Texts written as the options say; without any, the right ones.

    feed(ids, prompt): what the target reads. law(logits, temperature): what is rolled. count(n, prompt): how many new
    tokens. ends(ids, prompt, eos): whether the text ends here. back(ids, prompt): what is returned of it.
    """

    def rule(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
        texts = []
        for prompt in order(prompts) if order else prompts:
            ids = start(prompt, texts) if start else prompt
            for _ in range(count(n, prompt) if count else n):
                if ends == "before" and len(ids) and int(ids[-1]) == eos_token_id:
                    break
                logits = target(feed(ids, prompt) if feed else ids)[row].double()
                if temperature == 0 and law is None:
                    token = int(logits.argmax())
                else:
                    token = dice.roll((law or _law)(logits, temperature))
                if token == eos_token_id and not keep:
                    break
                ids = torch.cat([ids, torch.tensor([token])])
                if token == eos_token_id and ends is None:
                    break
            texts.append(back(ids, prompt) if back else ids)
            if ends == "all" and len(ids) and int(ids[-1]) == eos_token_id:
                break
        return texts

    return rule


def _law(logits, temperature):
    return torch.softmax(logits / temperature, -1)


def _greedy(logits):
    return torch.nn.functional.one_hot(logits.argmax(), len(logits)).double()


def _warm(change):
    """A law that is right at temperature 0."""
    return lambda logits, temperature: _greedy(logits) if temperature == 0 else change(logits, temperature)


def _one_for_all(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    """The first prompt's continuation is put behind every prompt."""
    first = text_rule()(target, prompts[:1], n, dice, temperature, eos_token_id)[0] if prompts else None
    return [torch.cat([prompt, first[len(prompts[0]) :]]) for prompt in prompts]


def _filled(target, prompts, n, dice, temperature=1.0, eos_token_id=None):
    """A text that has ended is filled with eos."""
    texts = text_rule()(target, prompts, n, dice, temperature, eos_token_id)
    return [torch.cat([text, torch.full((len(one) + n - len(text),), eos_token_id or 0)])
            for text, one in zip(texts, prompts, strict=True)]


for _id, _message, _rules in (
    ("greedy", "Your texts are greedy: always the likeliest token, whatever the dice show. The target's law has all "
     "its tokens, and a draft that never sees the others does not learn what comes behind them.",
     (text_rule(law=lambda logits, t: _greedy(logits)),)),
    ("temperature_ignored", "The temperature does not reach your laws: divide the logits by it.",
     (text_rule(law=_warm(lambda logits, t: torch.softmax(logits, -1))),
      text_rule(law=lambda logits, t: torch.softmax(logits, -1)))),
    ("temperature_times", "You multiply by the temperature. Logits are divided by it.",
     (text_rule(law=_warm(lambda logits, t: torch.softmax(logits * t, -1))),)),
    ("probabilities_divided", "You divide probabilities by the temperature. It divides the logits, before the softmax.",
     (text_rule(law=_warm(lambda logits, t: torch.softmax(torch.softmax(logits, -1) / t, -1))),)),
    ("nearly_greedy", "At temperature 0 your texts are not the likeliest ones only: where two logits are equal the "
     "first counts, and no other comes.",
     tuple(text_rule(law=lambda logits, t, heat=heat: torch.softmax(logits / max(t, heat), -1))
           for heat in (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10))),
    ("uniform", "Your tokens do not come with the target's probabilities.",
     (text_rule(law=_warm(lambda logits, t: torch.full_like(logits, 1 / len(logits)))),)),
    ("wrong_row", "You ask another row than the last one. Row t is about the token behind place t: what comes next "
     "stands in [-1].", (text_rule(row=0), text_rule(row=-2))),
    ("last_token_only", "The target reads the newest token alone. It has to read the whole text, prompt included.",
     (text_rule(feed=lambda ids, prompt: ids[-1:]),)),
    ("prompt_forgotten", "The target reads what it wrote, without the prompt, once it has written something.",
     (text_rule(feed=lambda ids, prompt: ids[len(prompt) :] if len(ids) > len(prompt) else ids),)),
    ("not_chained", "The target reads the prompt again and again, and not what it has written. Every token depends on "
     "those before it.", (text_rule(feed=lambda ids, prompt: prompt),)),
    ("prompt_cut", "The target does not read all of the prompt.",
     (text_rule(feed=lambda ids, prompt: ids[1:] if len(ids) > 1 else ids),
      text_rule(feed=lambda ids, prompt: ids[:-1] if len(ids) > 1 else ids))),
    ("new_tokens_only", "You return the new tokens alone. Prompt and new tokens are wanted in one.",
     (text_rule(back=lambda ids, prompt: ids[len(prompt) :]),)),
    ("counts_the_prompt", "n counts the new tokens, not the prompt's.",
     (text_rule(count=lambda n, prompt: max(0, n - len(prompt))),)),
    ("one_too_many", "You write one token more than n.", (text_rule(count=lambda n, prompt: n + 1),)),
    ("one_too_few", "You write one token fewer than n.", (text_rule(count=lambda n, prompt: max(0, n - 1)),)),
    ("eos_ignored", "A text goes on behind eos_token_id.", (text_rule(ends="never"),)),
    ("eos_dropped", "The eos_token_id that ends a text is not kept. It is a token of the target's like any other: a "
     "draft has to learn to say it.", (text_rule(keep=False),)),
    ("eos_of_the_prompt", "A prompt that ends with eos_token_id stops your text before it has begun. Only a new token "
     "ends it.", (text_rule(ends="before"),)),
    ("one_ends_all", "With one text that ends you leave out those behind it.", (text_rule(ends="all"),)),
    ("filled", "You fill a text that has ended with more tokens. It ends.", (_filled,)),
    ("one_for_all", "You write one continuation and use it for all prompts. Every text is drawn "
     "anew.", (_one_for_all,)),
    ("goes_on", "A prompt is put behind the text before it. Every text begins anew, with its own prompt.",
     (text_rule(start=lambda prompt, texts: torch.cat([*texts[-1:], prompt])),)),
    ("another_order", "Your texts come in another order than the prompts.",
     (text_rule(order=lambda prompts: prompts[::-1]),
      text_rule(order=lambda prompts: sorted(prompts, key=len)))),
):
    sample_teacher.mistake(_id, _message, imitate=_rules)
for _id, _message in (
    ("own_randomness", "Your function does not take all its randomness from `dice`: draw with "
     "dice.roll(probabilities), and make no generator or seed of your own."),
    ("no_list", "Return a list with a text for every prompt, in their order."),
    ("float_ids", "Your texts hold floats: torch.tensor([]) and torch.zeros(0) do, and joined with ids they turn all "
     "of them into floats."),
    ("calls_often", "You call the target more often than you need: its last row says all about the next token, and "
     "nothing has to be asked once the text has ended."),
):
    sample_teacher.mistake(_id, _message)
