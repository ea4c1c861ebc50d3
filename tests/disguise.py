"""A copied answer in disguise: what students do to a friend's function before they hand it in as their own."""

import ast
import builtins
import random

WORDS = "apple berry cedar delta ember fjord grove hazel inlet jetty knoll lemon maple north ocean petal".split()


class Renamed(ast.NodeTransformer):
    """Every name that the function binds gets another one; its own and its arguments' stay."""

    def __init__(self, tree, rng):
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        words = rng.sample(WORDS, len(WORDS))
        self.new = {name: f"{words[i % len(words)]}{i}" for i, name in enumerate(sorted(bound - set(dir(builtins))))}

    def visit_Name(self, node):
        node.id = self.new.get(node.id, node.id)
        return node


def names_in(node, kind=None):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and (kind is None or isinstance(n.ctx, kind))}


def reorder(body, rng):
    """Swaps neighbouring assignments that do not touch each other's names, wherever there are such."""
    place = 0
    while place + 1 < len(body):
        a, b = body[place], body[place + 1]
        if isinstance(a, ast.Assign) and isinstance(b, ast.Assign):
            if not (names_in(a, ast.Store) & names_in(b) or names_in(b, ast.Store) & names_in(a)):
                body[place], body[place + 1] = b, a
                place += 1
        place += 1
    for node in body:
        for inner in ("body", "orelse"):
            if isinstance(getattr(node, inner, None), list):
                reorder(getattr(node, inner), rng)


def disguised(source, seed, padding=0):
    """`source` renamed, laid out anew, commented, its independent lines swapped; `padding` lines that do nothing."""
    rng = random.Random(seed)
    tree = ast.parse(source)
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef))
    reorder(function.body, rng)
    tree = Renamed(tree, rng).visit(tree)
    for number in range(padding):
        place = rng.randrange(len(function.body))
        function.body.insert(place, ast.parse(f"spare_{number} = {rng.randrange(9)}").body[0])
    lines = ast.unparse(ast.fix_missing_locations(tree)).split("\n")
    shown = []
    for line in lines:
        if rng.random() < 0.3:
            shown.append(f"{line[: len(line) - len(line.lstrip())]}# {rng.choice(WORDS)}, step {rng.randrange(9)}")
        shown.append(line.replace("'", '"') if '"' not in line else line)
    return "\n".join(shown)
