"""A function or class with one place of its source changed: `mutants(thing)` gives (label, changed thing)."""

import ast
import copy
import inspect
import textwrap
from collections import Counter

COMPARE = {
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
BINARY = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Div}
# Methods that can be left out, or taken for another one.
DROP = {"clamp", "clone", "double", "long", "float", "to", "flip", "cumsum", "cumprod", "contiguous", "detach"}
OTHER = {
    "argmax": ("argmin",), "sum": ("mean", "max"), "mean": ("sum",), "cumprod": ("cumsum",), "min": ("max",),
    "max": ("min",), "any": ("all",), "all": ("any",), "minimum": ("maximum",), "maximum": ("minimum",),
    "median": ("mean", "min", "max"), "append": (), "softmax": ("log_softmax",), "sorted": ("list",), "len": (),
}  # fmt: skip


def mutants(thing):
    """(label, changed thing) for every change of one place that still compiles."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    _without_docstrings(tree)
    plain, seen, labels = ast.unparse(tree), set(), Counter()
    for number, node in enumerate(list(ast.walk(tree))):
        for place in range(len(list(_changes(node)))):
            changed = copy.deepcopy(tree)
            label = _apply(changed, number, place)
            text = ast.unparse(ast.fix_missing_locations(changed)) if label else plain
            if text == plain or text in seen:
                continue
            seen.add(text)
            made = _compiled(text, thing)
            if made is not None:
                labels[label] += 1
                yield label + (f"  ({labels[label]})" if labels[label] > 1 else ""), made


def _without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None


def _compiled(text, thing):
    """The changed source in the module of the original; None where it is no Python."""
    home = inspect.unwrap(thing)
    names = dict(home.__globals__ if hasattr(home, "__globals__") else vars(inspect.getmodule(home)))
    try:
        exec(compile(text, f"<changed {thing.__name__}>", "exec", dont_inherit=True), names)
    except SyntaxError:
        return None
    return names[thing.__name__]


def _apply(tree, number, place):
    """Makes change `place` of node `number` in this copy of the tree; tells what was done, None where it cannot be."""
    nodes = list(ast.walk(tree))
    node = nodes[number]
    change = list(_changes(node))[place]
    before = ast.unparse(node)[:60].split("\n")[0]
    parents = {id(child): (parent, field, i) for parent in nodes for field, i, child in _children(parent)}
    new = change(node)
    if new is not node:
        if id(node) not in parents:
            return None
        parent, field, i = parents[id(node)]
        old = getattr(parent, field)
        if isinstance(new, list):
            if i is None:
                return None
            old[i : i + 1] = new or [ast.Pass()]
        elif i is None:
            setattr(parent, field, new)
        else:
            old[i] = new
        after = "; ".join(map(ast.unparse, new)) if isinstance(new, list) else ast.unparse(new)
    else:
        after = ast.unparse(node)
    after = " ".join(after.split())[:70] or "nothing"
    return f"{before}  ->  {after}"


def _children(parent):
    for field, value in ast.iter_fields(parent):
        if isinstance(value, list):
            yield from ((field, i, item) for i, item in enumerate(value) if isinstance(item, ast.AST))
        elif isinstance(value, ast.AST):
            yield field, None, value


def _changes(node):
    """What can be done to a node: functions node -> itself changed, another node, or a list of statements."""
    for kind, makers in MAKERS:
        if isinstance(node, kind):
            for maker in makers:
                yield from maker(node)


def _constants(node):
    value = node.value
    if isinstance(value, bool):
        yield lambda n: ast.Constant(not n.value)
    elif isinstance(value, int):
        for other in {value + 1, value - 1, 0, -value}:
            yield lambda n, other=other: ast.Constant(other) if other != n.value else n
    elif isinstance(value, float):
        for other in {0.0, 2 * value + 0.01, value / 2, value + 1e-3}:
            yield lambda n, other=other: ast.Constant(other)


def _comparisons(node):
    for kind in COMPARE.get(type(node.ops[0]), ()) if len(node.ops) == 1 else ():
        yield lambda n, kind=kind: ast.Compare(n.left, [kind()], n.comparators)


def _binaries(node):
    if type(node.op) in BINARY:
        yield lambda n: ast.BinOp(n.left, BINARY[type(n.op)](), n.right)
    yield lambda n: n.left
    yield lambda n: n.right
    if isinstance(node.op, ast.Sub | ast.Div):
        yield lambda n: ast.BinOp(n.right, n.op, n.left)
    if isinstance(node.op, ast.Sub):
        yield lambda n: _call("abs", n)
    if isinstance(node.op, ast.Div):
        for eps in (1e-8, 1e-6, 1e-3):
            yield lambda n, eps=eps: ast.BinOp(n.left, n.op, ast.BinOp(n.right, ast.Add(), ast.Constant(eps)))


def _calls(node):
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if isinstance(node.func, ast.Attribute) and name in DROP:
        yield lambda n: n.func.value
    if isinstance(node.func, ast.Attribute) and name == "clamp":
        yield lambda n: _call("abs", n.func.value)
    for other in OTHER.get(name, ()):
        yield lambda n, other=other: _renamed(n, other)
    if name in ("min", "max", "minimum", "maximum", "where"):
        for i in range(len(node.args)):
            yield lambda n, i=i: n.args[i]
    if len(node.args) >= 2:
        yield lambda n: ast.Call(n.func, [n.args[1], n.args[0], *n.args[2:]], n.keywords)
    for i in range(len(node.keywords)):
        yield lambda n, i=i: ast.Call(n.func, n.args, n.keywords[:i] + n.keywords[i + 1 :])
    if name == "range":
        yield lambda n: _call("range", *n.args[:-1], ast.BinOp(n.args[-1], ast.Sub(), ast.Constant(1)))
        if len(node.args) == 1:
            yield lambda n: _call("range", ast.Constant(1), n.args[0])
    if name == "roll":
        yield lambda n: _call("int", ast.Call(ast.Attribute(n.args[0], "argmax", ast.Load()), [], []))
    if name == "flip":
        yield lambda n: ast.Compare(n.args[0], [ast.GtE()], [ast.Constant(0.5)])
        yield lambda n: ast.UnaryOp(ast.Not(), n)
        yield lambda n: ast.Constant(True)
        yield lambda n: ast.Constant(False)


def _subscripts(node):
    index = node.slice
    if isinstance(index, ast.Slice):
        for field in ("lower", "upper"):
            bound = getattr(index, field)
            if bound is not None:
                yield lambda n, field=field: _moved(n, field, 1)
                yield lambda n, field=field: _moved(n, field, -1)
                yield lambda n, field=field: _moved(n, field, None)
    elif not isinstance(index, ast.Tuple):
        for step in (1, -1):
            yield lambda n, step=step: ast.Subscript(
                n.value, ast.BinOp(n.slice, ast.Add(), ast.Constant(step)), n.ctx)


def _moved(node, field, step):
    bound = getattr(node.slice, field)
    setattr(node.slice, field, None if step is None else ast.BinOp(bound, ast.Add(), ast.Constant(step)))
    return node


def _ifs(node):
    yield lambda n: ast.If(ast.UnaryOp(ast.Not(), n.test), n.body, n.orelse)
    yield lambda n: n.body
    yield lambda n: n.orelse


def _choices(node):
    yield lambda n: n.body
    yield lambda n: n.orelse


def _loops(node):
    yield lambda n: _with_body(n, [*n.body, ast.Break()])
    yield lambda n: []


def _with_body(node, body):
    node.body = body
    return node


def _statements(node):
    yield lambda n: []


def _booleans(node):
    for i in range(len(node.values)):
        yield lambda n, i=i: n.values[i]
    other = ast.Or if isinstance(node.op, ast.And) else ast.And
    yield lambda n: ast.BoolOp(other(), n.values)


def _returns(node):
    if node.value is not None:
        yield lambda n: ast.Return(_call("abs", n.value))


def _negations(node):
    yield lambda n: n.operand


def _call(name, *args):
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def _renamed(node, name):
    if isinstance(node.func, ast.Attribute):
        node.func.attr = name
    else:
        node.func.id = name
    return node


MAKERS = (
    (ast.Constant, (_constants,)),
    (ast.Compare, (_comparisons,)),
    (ast.BinOp, (_binaries,)),
    (ast.Call, (_calls,)),
    (ast.Subscript, (_subscripts,)),
    (ast.If, (_ifs,)),
    (ast.IfExp, (_choices,)),
    (ast.For | ast.While, (_loops,)),
    (ast.Break | ast.Continue | ast.Expr | ast.AugAssign | ast.Raise, (_statements,)),
    (ast.BoolOp, (_booleans,)),
    (ast.Return, (_returns,)),
    (ast.UnaryOp, (_negations,)),
)
