"""Array programs: chains and blocks of layers, with the parameters they need.

A layer takes the array at hand and gives the next one. `LAYERS` lists them, simplest first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grammar.drawing.layer_blocks import (
    activation,
    attend,
    bias,
    causal,
    centre,
    convolve,
    cross_entropy,
    fold_rows,
    gate,
    gram,
    heads,
    join,
    linear,
    lookup,
    mask,
    mlp,
    move,
    norm,
    one_hot,
    outer,
    part,
    pointwise,
    pool,
    reduce,
    residual,
    running,
    scale,
    segments,
    softmax,
    squared_error,
    standardize,
    turn,
)
from grammar.drawing.network import Network, no_functions, shape_of
from grammar.drawing.operands import NEVER
from grammar.drawing.tables import Tables, choice
from grammar.passes.dce import drop_unused_parameters, eliminate_dead_code
from grammar.program import Program, Region, Terminator, Unit, Value
from grammar.source import Source
from grammar.types import F32, F64, I32, Array


@dataclass(frozen=True, slots=True)
class Layer:
    """A construct over arrays: `cost` bounds its statements, guards not counted; `ranks` are the
    ranks of the arrays it takes."""

    name: str
    doc: str
    draw: Callable[[Network, Value], Value]
    weight: int
    cost: int = 1
    ranks: tuple[int, ...] = (1, 2, 3)


_ALL: tuple[Layer, ...] = (
    Layer("activation", "An activation function.", activation, 8),
    Layer("elementwise", "An op of the grammar's families, element by element.", pointwise, 10, 2),
    Layer("scale", "Times a number.", scale, 2),
    Layer("residual", "Plus an earlier array.", residual, 5),
    Layer("bias", "Plus, or times, a vector for the last axis.", bias, 4, 3),
    Layer("softmax", "Softmax or its logarithm along an axis.", softmax, 3),
    Layer("norm", "Layer norm or root mean square norm.", norm, 5),
    Layer("linear", "Times a matrix, perhaps plus a bias.", linear, 8, 3, (2, 3)),
    Layer("reduce", "A reduction of an axis.", reduce, 3, 2),
    Layer("centre", "Less a reduction along an axis, or over it.", centre, 3, 3),
    Layer("transpose", "Axes in another order.", turn, 2, 1, (2, 3)),
    Layer("running", "Running sums.", running, 1),
    Layer("move", "Elements moved along an axis.", move, 1),
    Layer("part", "A part of an axis.", part, 1),
    Layer("join", "Two arrays, one after the other.", join, 1),
    Layer("mask", "A triangle of a matrix.", mask, 1, 1, (2, 3)),
    Layer("pool", "Neighbouring rows reduced to one.", pool, 2, 2, (2, 3)),
    Layer("standardize", "A norm spelled out.", standardize, 2, 8),
    Layer("gate", "One projection gated by another.", gate, 3, 4, (2, 3)),
    Layer(
        "mlp",
        "Two projections with an activation between, perhaps around which a residual.",
        mlp,
        5,
        8,
        (2, 3),
    ),
    Layer("convolution", "A convolution along time.", convolve, 4, 3, (2, 3)),
    Layer(
        "attention", "Projections to queries, keys and values, and attention.", attend, 5, 7, (2, 3)
    ),
    Layer("causal", "The same where a row sees only earlier ones.", causal, 3, 7, (2, 3)),
    Layer("heads", "Attention by several heads.", heads, 2, 12, (2,)),
    Layer("gram", "The products of all pairs of rows.", gram, 1, 2, (2, 3)),
    Layer("outer", "All products with a vector.", outer, 1, 1, (1,)),
    Layer("lookup", "Rows taken by index.", lookup, 2, 2, (1, 2)),
    Layer("segments", "Rows summed by group.", segments, 1, 1, (1, 2)),
    Layer("one_hot", "Plus rows chosen by class.", one_hot, 1, 3, (2,)),
    Layer("fold_rows", "The same elements in another shape.", fold_rows, 1, 1, (2, 3)),
    Layer(
        "cross_entropy", "Cross entropy with labels, perhaps its mean.", cross_entropy, 2, 2, (2,)
    ),
    Layer(
        "squared_error",
        "Mean squared error to a target, perhaps its mean.",
        squared_error,
        2,
        2,
        (2, 3),
    ),
)

LAYERS: dict[str, Layer] = {layer.name: layer for layer in _ALL}
"""The constructs that `Grammar.layers` weighs, simplest first."""


def draw_layers(source: Source, tables: Tables) -> Program:
    """Draw a program of array ops: a chain of layers over one or two inputs."""
    scalar = tables.scalars.pick(source)
    network = Network(
        source, tables, no_functions(), scalar=scalar if scalar in (F32, F64) else F32
    )
    network.keep(source.span(_start, network))
    least, most = tables.grammar.statements
    while (count := _count(network)) < most and source.span(_layer, network, least, most, count):
        pass
    if not network.statements:
        network.keep(network.row("relu", network.arrays[-1]))
    results = _results(network)
    region = Region(tuple(network.params), tuple(network.statements), Terminator("return", results))
    made = Program((Unit("program", region, tuple([value.type for value in results])),))
    return Program((drop_unused_parameters(eliminate_dead_code(made).entry),))


def _start(source: Source, network: Network) -> Value:
    """The first array: an input, or embeddings of indices."""
    rank = max(2, min(3, network.tables.ranks.pick(source)))
    rows, features = network.extent(), network.extent()
    if rank == 3:
        return network.weights(2 + source.below(3), rows, features)
    if source.below(8) == 7:
        table = network.weights(network.extent(), features)
        return network.array("take", table, network.param(Array(I32, (rows,))))
    return network.weights(rows, features)


def _count(network: Network) -> int:
    return sum(statement.op != "const" for statement in network.statements)


def _layer(source: Source, network: Network, least: int, most: int, count: int) -> bool:
    """One layer, or the choice to stop, which is choice 0."""
    if source.below(NEVER if count < least else most - count + 1) == 0:
        return False
    recent = network.arrays[-1]
    if source.below(8) == 7:
        recent = network.arrays[source.below(len(network.arrays))]
    weights = network.tables.grammar.layers
    fitting = choice(
        (layer, weights.get(layer.name, 0) if weights else layer.weight)
        for layer in _ALL
        if len(shape_of(recent)) in layer.ranks and layer.cost <= max(1, most - count)
    )
    layer = LAYERS["activation"] if fitting is None else fitting.pick(source)
    network.keep(layer.draw(network, recent))
    return True


def _results(network: Network) -> tuple[Value, ...]:
    """What the program returns: the last array, and up to two that nothing else uses."""
    made = [value for value in network.arrays if value not in network.params]
    unused = [value for value in made[:-1] if not network.used[value.id]]
    return (made[-1], *unused[-2:])
