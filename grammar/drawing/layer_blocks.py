"""What the layers of array programs are made of, each drawn over the array at hand."""

from __future__ import annotations

from grammar.drawing.network import LARGEST, Network, activations, elementwise, shape_of
from grammar.program import Value
from grammar.types import BOOL, I32, MAX_RANK, Array


def activation(n: Network, x: Value) -> Value:
    return n.row(activations(n.tables.grammar, n.scalar).pick(n.source), x)


def pointwise(n: Network, x: Value) -> Value:
    """An elementwise op of the grammar, over the array and further operands."""
    found = elementwise(n.tables.grammar, n.scalar)
    if found is None:
        return activation(n, x)
    made = found.pick(n.source)
    operands: list[Value] = []
    for k, type_ in enumerate(made.instance.operands):
        if k == made.anchor:
            operands.append(x)
        elif type_ == BOOL:
            operands.append(_comparison(n, x))
        else:
            operands.append(_partner(n, x))
    return n.apply(made, operands)


def _comparison(n: Network, x: Value) -> Value:
    return n.apply(n.tables.comparisons[n.scalar].pick(n.source), [x, _partner(n, x)])


def _partner(n: Network, x: Value) -> Value:
    """Something to combine an array with: a number, or an array of (or repeated to) its shape."""
    below = n.source.below
    how = below(6)
    others = n.like(x)
    if how in (1, 2) and others:
        return others[-1 - below(min(len(others), 4))]
    if how == 3:
        return n.weights(*shape_of(x))
    if how == 4 and len(shape_of(x)) > 1:
        return n.spread(n.weights(shape_of(x)[-1]), x)
    if how == 5:
        return n.param(n.scalar)
    return n.drawn()


def scale(n: Network, x: Value) -> Value:
    factor = n.drawn() if n.source.below(2) == 0 else n.param(n.scalar)
    return n.row("mul", x, factor)


def residual(n: Network, x: Value) -> Value:
    others = n.like(x)
    if not others:
        return n.row("add", x, n.weights(*shape_of(x)))
    other = others[n.source.below(len(others))]
    return n.row("add", x, other) if n.source.below(2) == 0 else n.row("add", other, x)


def bias(n: Network, x: Value) -> Value:
    name = ("add", "mul", "sub")[n.source.below(3)]
    if n.source.below(4) == 3 and len(shape_of(x)) > 1:
        rows = shape_of(x)[:-1]
        column = n.array("expand_dims", n.weights(*rows), attribute=len(rows))
        return n.row(name, x, n.spread(column, x))
    return n.row(name, x, n.spread(n.weights(shape_of(x)[-1]), x))


def softmax(n: Network, x: Value) -> Value:
    name = "softmax" if n.source.below(4) < 3 else "log_softmax"
    return n.array(name, x, attribute=_axis(n, x))


def _axis(n: Network, x: Value) -> int:
    """An axis, mostly the last."""
    rank = len(shape_of(x))
    return rank - 1 if n.source.below(3) < 2 else n.source.below(rank)


def norm(n: Network, x: Value) -> Value:
    width = shape_of(x)[-1]
    if n.source.below(5) < 3:
        return n.array("layernorm", x, n.weights(width), n.weights(width))
    return n.array("rmsnorm", x, n.weights(width))


def standardize(n: Network, x: Value) -> Value:
    """Less the mean, over the deviation, with own arithmetic."""
    axis = _axis(n, x)
    mean = n.array("reduce_mean_keep", x, attribute=axis)
    centred = n.row("sub", x, n.spread(mean, x))
    if n.source.below(2):
        variance = n.array("reduce_var_keep", x, attribute=axis)
    else:
        variance = n.array("reduce_mean_keep", n.row("square", centred), attribute=axis)
    deviation = n.row("sqrt", n.row("add", variance, n.number(0.25)))
    return n.row("div", centred, n.spread(deviation, x))


def projected(n: Network, x: Value, width: int) -> Value:
    return n.array("matmul", x, n.weights(shape_of(x)[-1], width))


def linear(n: Network, x: Value) -> Value:
    how = n.source.below(8)
    if how == 7 and len(shape_of(x)) == 2:
        return n.array("matmul", x, n.weights(shape_of(x)[-1]))
    if how == 6 and len(shape_of(x)) == 3:
        heads_, _, width = shape_of(x)
        return n.array("matmul", x, n.weights(heads_, width, n.extent()))
    made = projected(n, x, n.extent())
    if n.source.below(3) == 0:
        return made
    return n.row("add", made, n.spread(n.weights(shape_of(made)[-1]), made))


def mlp(n: Network, x: Value) -> Value:
    hidden = activation(n, linear(n, x) if n.source.below(2) else projected(n, x, n.extent()))
    if len(shape_of(hidden)) == 1:
        return hidden
    made = projected(n, hidden, shape_of(x)[-1])
    if n.source.below(2) and made.type == x.type:
        return n.row("add", x, made)
    return made


def gate(n: Network, x: Value) -> Value:
    width = n.extent()
    left, right = projected(n, x, width), projected(n, x, width)
    return n.row("mul", left, activation(n, right))


_REDUCTIONS = ("sum", "mean", "max", "min", "logsumexp", "var", "prod")


def reduce(n: Network, x: Value) -> Value:
    axis = _axis(n, x)
    rank = len(shape_of(x))
    name = _REDUCTIONS[min(6, n.source.below(13) // 2)]
    if name == "logsumexp" and rank > 1:
        return n.array("logsumexp", x, attribute=axis)
    if name == "logsumexp":
        name = "sum"
    if name != "var" and rank > 1 and n.source.below(4) < 3:
        return n.array(f"reduce_{name}", x, attribute=axis)
    kept = n.array(f"reduce_{name}_keep", x, attribute=axis)
    if rank > 1 and n.source.below(2):
        return n.array("squeeze", kept, attribute=axis)
    return kept


def centre(n: Network, x: Value) -> Value:
    name = ("mean", "max", "sum", "min")[n.source.below(4)]
    found = n.array(f"reduce_{name}_keep", x, attribute=_axis(n, x))
    return n.row("div" if n.source.below(4) == 3 else "sub", x, n.spread(found, x))


def turn(n: Network, x: Value) -> Value:
    rank = len(shape_of(x))
    if rank == 2:
        return n.array("transpose", x, attribute=(1, 0))
    orders = ((0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1))
    return n.array("transpose", x, attribute=orders[n.source.below(5)])


def running(n: Network, x: Value) -> Value:
    return n.array("cumsum", x, attribute=_axis(n, x))


def move(n: Network, x: Value) -> Value:
    axis = _axis(n, x)
    extent = shape_of(x)[axis]
    if extent == 1 or n.source.below(2) == 0:
        return n.array("flip", x, attribute=axis)
    return n.array("roll", x, attribute=(axis, 1 + n.source.below(extent - 1)))


def part(n: Network, x: Value) -> Value:
    axis = _axis(n, x)
    extent = shape_of(x)[axis]
    start = n.source.below(extent)
    stop = start + 1 + n.source.below(extent - start)
    return n.array("slice", x, attribute=(axis, start, stop))


def join(n: Network, x: Value) -> Value:
    """With another array, or with itself, where the result is not too long."""
    axis = _axis(n, x)
    if 2 * shape_of(x)[axis] > LARGEST:
        return move(n, x)
    others = n.like(x)
    other = others[n.source.below(len(others))] if others else n.weights(*shape_of(x))
    return n.array("concat", x, other, attribute=axis)


def mask(n: Network, x: Value) -> Value:
    return n.array("tril" if n.source.below(2) == 0 else "triu", x)


def pool(n: Network, x: Value) -> Value:
    *batch, rows, width = shape_of(x)
    windows = [k for k in (2, 3, 4) if rows % k == 0]
    if not windows:
        return reduce(n, x)
    window = windows[n.source.below(len(windows))]
    split = n.array("reshape", x, attribute=(*batch, rows // window, window, width))
    name = ("reduce_max", "reduce_mean", "reduce_sum")[n.source.below(3)]
    return n.array(name, split, attribute=len(batch) + 1)


def convolve(n: Network, x: Value) -> Value:
    width = 3 if n.source.below(2) == 0 else 2 + n.source.below(4)
    made = n.array("conv1d", x, n.weights(width, shape_of(x)[-1], n.extent()))
    if n.source.below(2) == 0:
        return made
    return n.row("add", made, n.spread(n.weights(shape_of(made)[-1]), made))


def _attention(n: Network, x: Value, name: str) -> Value:
    """Queries, keys and values: projections of the array, the array itself, or of another."""
    below = n.source.below
    if below(4) == 3:
        return n.array(name, x, x, x)
    width = n.extent()
    context = x
    others = n.like(x)
    if others and below(4) == 3:
        context = others[-1]
    queries, keys = projected(n, x, width), projected(n, context, width)
    values = projected(n, context, width) if below(4) else context
    if below(2):
        queries = n.row("mul", queries, n.number((0.1, 0.01, 0.125, 0.02)[below(4)]))
    made = n.array(name, queries, keys, values)
    if made.type == x.type and below(2):
        return n.row("add", x, made)
    return projected(n, made, shape_of(x)[-1]) if below(4) == 3 else made


def attend(n: Network, x: Value) -> Value:
    return _attention(n, x, "attention")


def causal(n: Network, x: Value) -> Value:
    return _attention(n, x, "causal_attention")


def heads(n: Network, x: Value) -> Value:
    """Attention of several heads, split from one projection each and joined again."""
    rows = shape_of(x)[0]
    count, width = 2 + n.source.below(3), 2 + 2 * n.source.below(2)
    name = "attention" if n.source.below(2) == 0 else "causal_attention"
    split: list[Value] = []
    for _ in range(3):
        made = n.array("reshape", projected(n, x, count * width), attribute=(rows, count, width))
        split.append(n.array("transpose", made, attribute=(1, 0, 2)))
    made = n.array("transpose", n.array(name, *split), attribute=(1, 0, 2))
    return n.array("reshape", made, attribute=(rows, count * width))


def gram(n: Network, x: Value) -> Value:
    rank = len(shape_of(x))
    flipped = n.array("transpose", x, attribute=(1, 0) if rank == 2 else (0, 2, 1))
    return n.array("matmul", x, flipped)


def outer(n: Network, x: Value) -> Value:
    return n.array("outer", x, n.weights(n.extent()))


def lookup(n: Network, x: Value) -> Value:
    """Rows of the array at given indices, or at the places of its largest elements."""
    if len(shape_of(x)) == 2 and n.source.below(3) == 2:
        found = n.array("reduce_argmax", x, attribute=1)
        return n.array("take", n.weights(shape_of(x)[1], n.extent()), found)
    return n.array("take", x, n.param(Array(I32, (n.extent(),))))


def segments(n: Network, x: Value) -> Value:
    groups = n.param(Array(I32, (shape_of(x)[0],)))
    return n.array("segment_sum", x, groups, attribute=2 + n.source.below(5))


def one_hot(n: Network, x: Value) -> Value:
    """The array times, or plus, the classes of its rows."""
    rows, width = shape_of(x)
    ids = n.param(Array(I32, (rows,)))
    if n.scalar.bits != 32:
        return n.array("take", x, ids)
    name = "mul" if n.source.below(2) == 0 else "add"
    return n.row(name, x, n.array("one_hot", ids, attribute=width))


def fold_rows(n: Network, x: Value) -> Value:
    """The elements in another shape: two axes joined where short enough, or one split."""
    shape = shape_of(x)
    if len(shape) == 3 and shape[0] * shape[1] <= LARGEST:
        return n.array("reshape", x, attribute=(shape[0] * shape[1], shape[2]))
    if len(shape) < MAX_RANK - 1 and shape[-1] % 2 == 0:
        return n.array("reshape", x, attribute=(*shape[:-1], shape[-1] // 2, 2))
    return n.array("reshape", x, attribute=(shape[-1], *shape[:-1]))


def _mean_of(n: Network, x: Value) -> Value:
    """Perhaps the mean of a loss."""
    if len(shape_of(x)) == 1 and n.source.below(2):
        return n.array("reduce_mean_keep", x, attribute=0)
    return x


def cross_entropy(n: Network, x: Value) -> Value:
    labels = n.param(Array(I32, shape_of(x)[:1]))
    return _mean_of(n, n.array("cross_entropy", x, labels))


def squared_error(n: Network, x: Value) -> Value:
    return _mean_of(n, n.array("squared_error", x, n.weights(*shape_of(x))))
