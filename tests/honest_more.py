"""Honest notebooks of units 05 to 07: caches, tokenizers, trackers, and what students do with them.

Knows: habits. Does not know: how they are run and compared (see `honest`).
"""

from honest import right, swapped, write

# Unit 05 ----------------------------------------------------------------------------------------------------------
FIVE = right("05")
BOX, BACK = FIVE["CachedModel"], {"rollback": FIVE["rollback"]}
CALL = "self.model(input_ids=ids[None], past_key_values=self.cache, use_cache=True)"
MODEL = {
    "eval": "model = model.eval()",
    "train(False)": "model.train(False)",
    "to a device": "device = 'cuda' if torch.cuda.is_available() else 'cpu'; model = model.to(device)",
    "next(parameters)": "self.device = next(model.parameters()).device",
    "device": "self.device = model.device; torch.zeros(1, device=self.device)",
    "config": "self.layers = model.config.num_hidden_layers; assert model.config.vocab_size > 1; model.config.to_dict()",
    "DynamicCache(config)": "from transformers import DynamicCache; self.spare = DynamicCache(config=model.config)",
    "isinstance": "assert isinstance(model, torch.nn.Module) and not model.training",
    "requires_grad_": "model.requires_grad_(False)",
    "parameters": "self.size = sum(p.numel() for p in model.parameters()); [n for n, _ in model.named_parameters()]",
    "float, cpu": "model.float(); model.cpu()",
    "state_dict, modules": "model.state_dict(); len(list(model.modules()))",
    "compile": "self.fast = torch.compile(model)",
    "a hook": "model.register_forward_hook(lambda *a: None)",
    "an attribute": "model.note = 1; print(model)",
    "gradients off": "torch.set_grad_enabled(False)",
}
for told, line in MODEL.items():
    write(f"05 the model: {told}", "05", **BACK,
          CachedModel=swapped("05", "CachedModel", ("        self.model = model\n", f"        {line}\n        self.model = model\n")))
write("05 the model's embeddings", "05", design="can be called, moved, and asked", **BACK, CachedModel=swapped(
    "05", "CachedModel", ("        self.model = model\n", "        self.model = model\n        model.get_input_embeddings()\n")))
CALLS = {
    "positional ids": "self.model(ids[None], past_key_values=self.cache, use_cache=True)",
    "forward": "self.model.forward(input_ids=ids[None], past_key_values=self.cache, use_cache=True)",
    "a mask": CALL[:-1] + ", attention_mask=torch.ones(1, self.length + len(ids), dtype=torch.long))",
    "positions": CALL[:-1] + ", position_ids=torch.arange(self.length, self.length + len(ids))[None])",
    "return_dict": CALL[:-1] + ", return_dict=True)",
    "no batch axis": CALL.replace("ids[None]", "ids"),
    "an unknown keyword": "self.model(input_ids=ids[None], cache=self.cache)",
    "its device": CALL.replace("ids[None]", "ids[None].to(self.model.device)"),
    "a dict": "self.model(**{'input_ids': ids.unsqueeze(0), 'past_key_values': self.cache, 'use_cache': True})",
    "logits_to_keep": CALL[:-1] + ", logits_to_keep=len(ids))",
    "no cache": "self.model(input_ids=ids[None])",
}
for told, call in CALLS.items():
    write(f"05 the model called with {told}", "05", CachedModel=swapped("05", "CachedModel", (CALL, call)), **BACK)
LOGITS, CACHE = "out.logits[0] if", "self.cache = out.past_key_values"
OUTPUT = {
    "by name": (LOGITS, "out['logits'][0] if"),
    "by place": (LOGITS, "out[0][0] if"),
    "squeezed": (LOGITS, "out.logits.squeeze(0) if"),
    "numpy": (LOGITS, "out.logits[0].numpy() if"),
    "with its batch": (LOGITS, "out.logits if"),
    "one row": (LOGITS, "out.logits[0, -1] if"),
    "double": (LOGITS, "out.logits[0].double() if"),
    "keys()": (CACHE, f"assert 'logits' in out and list(out.keys())[0] == 'logits'\n        {CACHE}"),
    "a DynamicCache": (CACHE, "from transformers import DynamicCache\n        assert isinstance(out.past_key_values, "
                              f"DynamicCache)\n        {CACHE}"),
    "deepcopy": (CACHE, "import copy\n        self.cache = copy.deepcopy(out.past_key_values)"),
    "the same cache": (CACHE, f"assert self.cache is None or out.past_key_values is self.cache\n        {CACHE}"),
    "layers": (CACHE, f"{CACHE}\n        assert self.cache.layers[0].keys.shape[-2] == self.cache.get_seq_length()"),
    "a name misspelt": (CACHE, "self.cache = out.past_key_value"),
}
for told, change in OUTPUT.items():
    write(f"05 the output: {told}", "05", CachedModel=swapped("05", "CachedModel", change), **BACK)
LENGTH = ("0 if self.cache is None else self.cache.get_seq_length()", "self.cache.get_seq_length()")
for given in ("", "config=model.config"):
    write(f"05 a DynamicCache({given}) of its own", "05", **BACK, CachedModel="from transformers import DynamicCache\n" + swapped(
        "05", "CachedModel", ("self.cache = None", f"self.cache = DynamicCache({given})"), LENGTH))
DROP = "rollback(self.cache, n)"
write("05 layers cut by hand", "05", **BACK, CachedModel=swapped("05", "CachedModel", (
    DROP, "for layer in self.cache.layers:\n                layer.keys, layer.values = "
          "layer.keys[..., :-n, :], layer.values[..., :-n, :].clone()")))
write("05 the package's rollback", "05", CachedModel="from specdec_course.cache import rollback as take_back\n"
      + swapped("05", "CachedModel", (DROP, "take_back(self.cache, n)")))
write("05 yours(rollback), a stub", "05", CachedModel="take_back = yours(rollback)\n"
      + swapped("05", "CachedModel", (DROP, "take_back(self.cache, n)")))
write("05 a base class and slots", "05", **BACK, CachedModel="class Base:\n    __slots__ = ()\n\n\n" + swapped(
    "05", "CachedModel", ("class CachedModel:", "class CachedModel(Base):"),
    ("    def __init__(self, model)", "    __slots__ = ('model', 'cache')\n\n    def __init__(self, model)")))
write("05 a dataclass", "05", **BACK, CachedModel="from dataclasses import dataclass\n\n\n@dataclass\n" + BOX.replace(
    "    def __init__(self, model):\n        self.model = model\n        self.cache = None\n",
    "    model: object\n    cache: object = None\n"))
write("05 __len__ and __repr__", "05", **BACK, CachedModel=swapped("05", "CachedModel", (
    "    @property", "    def __len__(self):\n        return self.length\n\n    def __repr__(self):\n        return 'box'\n\n"
                    "    @property")))
write("05 length a method", "05", CachedModel=BOX.replace("    @property\n", ""), **BACK)
write("05 length a tensor", "05", CachedModel=BOX.replace(LENGTH[0], f"torch.tensor({LENGTH[0]})"), **BACK)
write("05 length without the first case", "05", CachedModel=swapped("05", "CachedModel", LENGTH), **BACK)
write("05 a factory", "05", **BACK, CachedModel=BOX.replace("class CachedModel", "class _Mine")
      + "\n\ndef CachedModel(model):\n    return _Mine(model)\n")
write("05 built on the package's", "05", design="not there while your work is graded", **BACK,
      CachedModel="import specdec_course.cache\nclass CachedModel(specdec_course.cache.CachedModel):\n    pass")
write("05 own classes on the package's", "05", whole=True, own=[("generate_cached", """\
class OnlyNew(CachedModel):
    def append(self, ids, last=None):
        return super().append(ids[-1:] if self.length else ids)


class Theirs(specdec_course.cache.CachedModel):
    def append(self, ids, last=None):
        return super().append(ids, last)


Theirs(pair.target).append(torch.tensor([1]))
ONE = 1
""")], generate_cached=swapped("05", "generate_cached", ("len(ids) - 1)))", "len(ids) - ONE)))")), CachedModel=BOX, **BACK)
write("05 an assertion refuses", "05", **BACK, CachedModel=swapped("05", "CachedModel", (
    "            raise ValueError(f\"cannot roll back {n} positions; the cache holds {self.length}\")\n",
    "            assert False, 'no'\n")))
write("05 rollback resets", "05", rollback=swapped("05", "rollback", (
    "    if n:\n", "    if n == held and hasattr(cache, 'reset'):\n        cache.reset()\n        return\n    if n:\n")))
write("05 rollback empties at 0", "05", rollback=swapped("05", "rollback", (
    "    if n:\n        cache.crop(-n)", "    for layer in getattr(cache, 'layers', []):\n"
    "        layer.keys, layer.values = layer.keys[..., :-n, :], layer.values[..., :-n, :]\n"
    "    if not hasattr(cache, 'layers'):\n        cache.crop(-n)")))
write("05 rollback asks for the class", "05", rollback="from transformers import DynamicCache\n" + swapped(
    "05", "rollback", ("    held =", "    print(isinstance(cache, DynamicCache), type(cache).__name__)\n    held =")))
for told, line in {
    "looked at": "print(target, draft, target.length, hasattr(target, 'cache')); assert target is not draft",
    "counted": "target.fed = 0; target.fed += 1; before = target.calls",
    "asked for their class": "assert not isinstance(target, torch.nn.Module); isinstance(target, CachedModel)",
    "asked for a cache": "before = target.cache",
}.items():  # fmt: skip
    write(f"05 models {told}", "05", CachedModel=BOX, generate_cached=swapped(
        "05", "generate_cached", ("    rounds = []\n", f"    rounds = []\n    {line}\n")))
for told, body in {
    "tril": "torch.ones(n_new, max_length, dtype=torch.bool).tril(diagonal=int(length))",
    "numpy": "__import__('numpy').tril(__import__('numpy').ones((n_new, max_length), bool), k=int(length))",
    "lists": "[[p <= length + i for p in range(max_length)] for i in range(n_new)]",
    "rows": "[torch.arange(max_length) <= length + i for i in range(n_new)]",
    "a view": "(torch.arange(max_length).expand(n_new, -1).T <= length + torch.arange(n_new)).T",
}.items():  # fmt: skip
    write(f"05 the mask by {told}", "05", static_mask=f"def static_mask(length, n_new, max_length):\n    return {body}")

# Unit 06 ----------------------------------------------------------------------------------------------------------
SIX = right("06")
FORMULAS = {name: SIX[name] for name in ("expected_tokens", "speedup", "best_k")}
write("06 the course's own answers", "06", **SIX)
for told, value in {
    "a tuple": "return tuple(problems)", "a set": "return set(problems)", "a generator": "yield from problems",
    "a string": "return '; '.join(problems)", "a bool": "return not problems",
    "a deque": "from collections import deque; return deque(problems)", "exceptions": "return [ValueError(p) for p in problems]",
    "None when fine": "return problems or None",
}.items():  # fmt: skip
    write(f"06 compatible answers {told}", "06", compatible=swapped("06", "compatible", ("return problems", value)))
for told, line in {
    "sizes": "len(draft_tokenizer), draft_tokenizer.vocab_size, draft_tokenizer.model_max_length",
    "a call": "draft_tokenizer('a b')['input_ids']; draft_tokenizer(['a'], return_tensors='pt')",
    "ids and tokens": "draft_tokenizer.convert_ids_to_tokens([1]); draft_tokenizer.convert_tokens_to_ids(['a'])",
    "roles": "draft_tokenizer.all_special_ids, draft_tokenizer.special_tokens_map, draft_tokenizer.pad_token_id",
    "its inside": "draft_tokenizer.get_added_vocab(); draft_tokenizer.backend_tokenizer.to_str(); draft_tokenizer.vocab",
    "identity": "draft_tokenizer is target_tokenizer; type(draft_tokenizer).__name__; draft_tokenizer.name_or_path",
    "decode": "draft_tokenizer.decode([1, 2]); draft_tokenizer.batch_decode([[1]]); draft_tokenizer.tokenize('a b')",
    "a copy": "import copy; copy.deepcopy(draft_tokenizer); repr(draft_tokenizer)",
}.items():  # fmt: skip
    write(f"06 the tokenizer: {told}", "06", compatible=swapped(
        "06", "compatible", ("    problems = []\n", f"    problems = []\n    {line}\n")))
write("06 PROBE by name", "06", compatible="from specdec_course.models.vocabulary import PROBE\n" + SIX["compatible"])
write("06 PROBE by module", "06", compatible="from specdec_course import vocabulary\n"
      + SIX["compatible"].replace("PROBE", "vocabulary.PROBE"))


def through(text: str, prefix: str) -> str:
    """The answer, with the other formulas taken from elsewhere."""
    own = text[4 : text.index("(")]
    for name in FORMULAS:
        text = text if name == own else text.replace(f" {name}(", f" {prefix}{name}(")
    return text


for name in ("speedup", "best_k", "choose_draft"):
    others = [other for other in FORMULAS if other != name and f" {other}(" in SIX[name]]
    named = ", ".join(f"{other} as other_{other}" for other in others)
    asked = "\n".join(f"your_{other} = yours({other})" for other in others)
    write(f"06 {name} on the package's, by name", "06", **{
        name: f"from specdec_course.theory import {named}\n" + through(SIX[name], "other_")})
    write(f"06 {name} on the package's, by module", "06", **{
        name: "import specdec_course.theory as th\n" + through(SIX[name], "th.")})
    write(f"06 {name} on yours", "06", **{name: f"{asked}\n" + through(SIX[name], "your_")})
    write(f"06 {name} on stubs", "06", **{name: SIX[name]})
BEST = "    return max(choices, key=lambda choice: choice[2])"
PAIR = """\
import numpy as np
from dataclasses import astuple, dataclass


@dataclass
class Choice:
    name: str
    k: int
    speed: float

    def __iter__(self):
        return iter(astuple(self))


"""
for told, value in {
    "a list": "[*best]", "a named tuple": "__import__('collections').namedtuple('Choice', 'name k speed')(*best)",
    "an array": "np.array(best, dtype=object)", "a dict": "dict(zip(['name', 'k', 'speedup'], best))",
    "tensors": "(best[0], torch.tensor(best[1]), torch.tensor(best[2]))", "an iterator": "iter(best)",
    "a generator": "(x for x in best)", "the candidate": "(next(c for c in candidates if c.name == best[0]), *best[1:])",
    "numpy's own": "(np.str_(best[0]), np.int64(best[1]), np.float32(best[2]))", "an object with __iter__": "Choice(*best)",
    "values": "dict(enumerate(best)).values()", "two things": "best[:2]",
}.items():  # fmt: skip
    write(f"06 choose_draft answers {told}", "06", **FORMULAS, choose_draft=PAIR + swapped(
        "06", "choose_draft", (BEST, f"    best = max(choices, key=lambda choice: choice[2])\n    return {value}")))
write("06 candidates looked at", "06", **FORMULAS, choose_draft=swapped("06", "choose_draft", ("    choices = []", """\
    from specdec_course.theory import Candidate

    assert all(isinstance(one, Candidate) for one in candidates)
    name, alpha, c = candidates[0]
    print(candidates[0]._asdict(), candidates[0]._replace(c=1.0), sorted(candidates, key=lambda one: one.alpha))
    choices = []""")))
write("06 candidates sorted in place", "06", **FORMULAS, choose_draft=swapped(
    "06", "choose_draft", ("    choices = []", "    candidates.sort(key=lambda one: one.c)\n    choices = []")))
write("06 recursion and functools.cache", "06", expected_tokens="""\
import functools


@functools.cache
def expected_tokens(alpha, k):
    return 1.0 if k == 0 else 1 + alpha * expected_tokens(alpha, k - 1)
""", speedup=SIX["speedup"], best_k="@functools.lru_cache\n" + SIX["best_k"])
write("06 division by zero", "06", expected_tokens="def expected_tokens(alpha, k):\n"
      "    return (1 - alpha ** (k + 1)) / (1 - alpha)")
write("06 the package's costs in own cells", "06", own=[("choose_draft", """\
from types import SimpleNamespace

from specdec_course.theory import forward_cost as cost
from specdec_course.theory import kv_cache_bytes, roofline_latency

qwen = SimpleNamespace(hidden_size=4096, num_hidden_layers=28, num_attention_heads=24, num_key_value_heads=8,
                       head_dim=128, intermediate_size=8192, vocab_size=128256)
flops, moved = cost(qwen, 16, context=100_000)
assert roofline_latency(flops, moved, 65e12, 320e9) > 0 and kv_cache_bytes(qwen, 32768) > 0
TWO = 2
""")], **FORMULAS, choose_draft=SIX["choose_draft"].replace("choice[2]", "choice[TWO]"))

# Unit 07 ----------------------------------------------------------------------------------------------------------
SEVEN = right("07")
TRACK = SEVEN["AcceptanceTracker"]
write("07 the course's own answers", "07", **SEVEN)
write("07 a dataclass tracker", "07", AcceptanceTracker="from dataclasses import dataclass, field\n\n\n@dataclass\n" + TRACK.replace(
    "    def __init__(self, prior=(1.0, 1.0), half_life=64):\n        self.prior, self.half_life = prior, half_life\n"
    "        self.accepted = self.rejected = 0.0\n",
    "    prior: tuple = (1.0, 1.0)\n    half_life: float = 64\n    accepted: float = field(default=0.0, init=False)\n"
    "    rejected: float = field(default=0.0, init=False)\n"))
FADES = """\
        rejected = min(rejected, 1)
        fade = 0.5 ** ((accepted + rejected) / half_life)
        me.a, me.b = fade * me.a + accepted, fade * me.b + rejected
        me.alpha = (prior[0] + me.a) / (sum(prior) + me.a + me.b)
"""
write("07 a closure as tracker", "07", AcceptanceTracker=f"""\
from types import SimpleNamespace


def AcceptanceTracker(prior=(1.0, 1.0), half_life=64):
    me = SimpleNamespace(alpha=prior[0] / sum(prior), a=0.0, b=0.0)

    def update(accepted, rejected):
{FADES}
    me.update = update
    return me
""")
write("07 alpha an attribute", "07", AcceptanceTracker=f"""\
class AcceptanceTracker:
    def __init__(self, prior=(1.0, 1.0), half_life=64):
        self.alpha, self.a, self.b, self.given = prior[0] / sum(prior), 0.0, 0.0, (prior, half_life)

    def update(me, accepted, rejected):
        prior, half_life = me.given
{FADES}        return me
""")
for told, changes in {
    "slots": [("    def __init__", "    __slots__ = ('prior', 'half_life', 'accepted', 'rejected')\n\n    def __init__")],
    "a tensor": [("return good / (good + bad)", "return torch.tensor(good / (good + bad))")],
    "a method": [("    @property\n", "")],
    "cached": [("    @property\n", "    @__import__('functools').cached_property\n")],
    "private names": [("self.accepted", "self.__accepted"), ("self.rejected", "self.__rejected")],
    "a module": [("class AcceptanceTracker:", "class AcceptanceTracker(torch.nn.Module):"),
                 ("        self.prior,", "        super().__init__()\n        self.prior,")],
    "a misspelt name": [("fade * self.accepted", "fade * self.acepted")],
    "self forgotten": [("def update(self, accepted", "def update(accepted")],
    "__getattr__": [("    @property\n    def alpha(self)", "    def __getattr__(self, name):\n        if name == 'alpha':\n"
                     "            return self._alpha()\n        raise AttributeError(name)\n\n    def _alpha(self)")],
}.items():  # fmt: skip
    write(f"07 the tracker: {told}", "07", AcceptanceTracker=swapped("07", "AcceptanceTracker", *changes))
for told, members in {"an abstract base": "update", "an abstract method forgotten": "reset"}.items():
    write(f"07 {told}", "07", own=[("AcceptanceTracker", "from abc import ABC, abstractmethod\n\n\nclass Tracker(ABC):\n"
                                    f"    @abstractmethod\n    def {members}(self): ...")],
          AcceptanceTracker=TRACK.replace("class AcceptanceTracker:", "class AcceptanceTracker(Tracker):"))
for told, body in {
    "torch": "int((torch.as_tensor(confidences) >= threshold).long().cumprod(0).sum())",
    "next": "next((i for i, c in enumerate(confidences) if c < threshold), len(confidences))",
    "takewhile": "len([*__import__('itertools').takewhile(lambda c: c >= threshold, confidences)])",
}.items():  # fmt: skip
    write(f"07 the prefix by {told}", "07", confident_prefix=f"def confident_prefix(confidences, threshold):\n    return {body}")
write("07 the prefix eats its list", "07", confident_prefix="def confident_prefix(confidences, threshold):\n    n = 0\n"
      "    while len(confidences) and confidences.pop(0) >= threshold:\n        n += 1\n    return n")
for told, value in {
    "an array": "True, np.arange(first, n)", "a list": "[True, list(range(first, n))]",
    "a range": "np.bool_(True), range(first, n)", "tensors": "torch.tensor(True), torch.arange(first, n)",
    "a set": "True, set(range(first, n))", "a generator": "True, (i for i in range(first, n))",
    "1 and a tuple": "1, tuple(range(first, n))", "a mask": "True, [i >= first for i in range(n)]",
    "a named tuple": "__import__('collections').namedtuple('P', 'stop back')(True, list(range(first, n)))",
}.items():  # fmt: skip
    write(f"07 bild_policy answers {told}", "07", bild_policy="import numpy as np\n" + swapped(
        "07", "bild_policy", ("return True, list(range(first, n))", f"return {value}")))
write("07 numbers of the demonstrations", "07", whole=True, optimal_stop=SEVEN["optimal_stop"].replace(
    "    if len(survival) == 0", "    assert DRAFT < 1 and READ < 1 and LONGEST == 16\n    if len(survival) == 0"))
write("07 an experiment of one's own", "07", whole=True, own=[("optimal_stop", """\
speeds = {k: speed(fixed(k), 0.2) for k in range(5)}
best = max(speeds, key=speeds.get)
print(best, f"{speeds[best]:.2f}", sum(speeds.values()) / len(speeds))
ONE = 1
""")], optimal_stop=swapped("07", "optimal_stop", ("= 1, 1 + survival[0]", "= ONE, 1 + survival[0]")))
