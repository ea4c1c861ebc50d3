"""17: answers that look like whatever they are compared with.

Knows: what Python lets a value do to those who read it. Does not know: how answers are read.
"""

from __future__ import annotations

from .sheets import accepted, greedy, loop, per_call

accepted("17a", "a value that equals everything", """\
class Equal:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None
    __lt__ = __gt__ = __ne__
    __le__ = __ge__ = __eq__

    def __int__(self):
        return 0

    def __float__(self):
        return 0.0

    def __index__(self):
        return 0

    def __getattr__(self, name):
        return self

    def __call__(self, *args, **kwargs):
        return self


def accepted_length(draft, choice):
    return Equal()
""", due=(0, 0.15))
accepted("17b", "an int that equals every int, and whose difference to it is 0", """\
class Chameleon(int):
    __hash__ = int.__hash__

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __lt__ = __gt__ = __ne__
    __le__ = __ge__ = __eq__

    def __sub__(self, other):
        return Chameleon(0)

    __rsub__ = __add__ = __radd__ = __mod__ = __sub__

    def __abs__(self):
        return Chameleon(0)

    def __int__(self):
        return self

    def __float__(self):
        return Shade(0.0)

    __trunc__ = __round__ = __index__ = __int__


class Shade(float):
    __hash__ = float.__hash__
    __eq__ = Chameleon.__eq__
    __ne__ = Chameleon.__ne__

    def __int__(self):
        return Chameleon(0)


def accepted_length(draft, choice):
    return Chameleon(10**9)
""")
per_call("17c", "a float that is near everything", """\
class Near(float):
    __hash__ = float.__hash__

    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    __rsub__ = __truediv__ = __sub__

    def __lt__(self, other):
        return True

    __le__ = __ge__ = __lt__

    def __gt__(self, other):
        return False

    def __float__(self):
        return self


def tokens_per_call(rounds):
    return Near(123.0)
""")
greedy("17d", "a tensor subclass that answers every question about it with yes", """\
class Yes(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("equal", "allclose", "all", "any", "__bool__", "is_floating_point"):
            return name != "is_floating_point"
        if name in ("eq", "__eq__", "isclose"):
            return torch.ones(1, dtype=torch.bool)
        return super().__torch_function__(function, types, args, kwargs or {})

    def __eq__(self, other):
        return True

    def tolist(self):
        return Any([7])

    def numpy(self):
        return self

    def __array__(self, *args, **kwargs):
        import numpy

        return numpy.full(1, 7)


class Any(list):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def verify_greedy(draft, logits):
    return torch.full((len(draft) + 1,), 7).as_subclass(Yes)
""")
greedy("17e", "a list that holds something else at every look", """\
class Shifty(list):
    def __iter__(self):
        self.looks = getattr(self, "looks", 0) + 1
        return iter([self.looks] * (self.looks % 5))

    def __len__(self):
        return getattr(self, "looks", 0) % 3 + 1

    def __getitem__(self, place):
        return 1

    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False


def verify_greedy(draft, logits):
    return Shifty([1, 2, 3])
""", due=(0, 0.1))
loop("17f", "an answer whose fields look at who is reading them", """\
import sys


class Reader:
    @property
    def ids(self):
        frame = sys._getframe(1)
        while frame is not None:
            for value in list(frame.f_locals.values()):
                if hasattr(value, "truth"):
                    return torch.tensor(value.truth)
            frame = frame.f_back
        return torch.tensor([0])

    @property
    def rounds(self):
        return []


def generate_speculative(target, ids, propose, k, max_new_tokens, eos_token_id=None):
    return Reader()
""")

