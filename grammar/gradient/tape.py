"""Local arrays: the tapes of loops, and the adjoint of reading and replacing their elements.

The cotangent of a local array is a local array itself. There is no sum of two of them among the
ops, so a further contribution is added element by element.
"""

from __future__ import annotations

from collections.abc import Mapping

from grammar.gradient.emitter import Cotangent, Cotangents, Emitter, Replay
from grammar.program import Region, Statement, Terminator, Value
from grammar.types import I32, Array, Element, Type


def local(emitter: Emitter, type_: Array) -> Value:
    """A new local array of zeros."""
    return emitter.emit("local", (), (type_,))[0]


def put(emitter: Emitter, array: Value, indices: tuple[Value, ...], value: Value) -> Value:
    """The local array with one element replaced."""
    return emitter.emit("put", (array, *indices, value), (array.type,))[0]


def get(emitter: Emitter, array: Value, indices: tuple[Value, ...]) -> Value:
    """One element of a local array."""
    assert isinstance(array.type, Array)
    return emitter.emit("get", (array, *indices), (array.type.element,))[0]


def zero(emitter: Emitter, type_: Type) -> Value:
    """Zero of a float element type, or a local array of zeros."""
    return local(emitter, type_) if isinstance(type_, Array) else emitter.zero(type_)


def contribute(
    emitter: Emitter, cotangents: Cotangents, value: Value, cotangent: Cotangent
) -> None:
    """Add a contribution to the cotangent of a value, which may be a local array."""
    if isinstance(value.type, Array) and value.id in cotangents.terms:
        (old,) = cotangents.terms[value.id]
        made = _sum(emitter, old.value, cotangent.value, ())
        cotangents.terms[value.id] = [Cotangent(made)]
    else:
        cotangents.add(value, cotangent)


def _sum(emitter: Emitter, a: Value, b: Value, indices: tuple[Value, ...]) -> Value:
    """Local array `a` with the elements of `b` added, below the indices given."""
    assert isinstance(a.type, Array)
    if len(indices) == len(a.type.shape):
        element = a.type.element
        both = (get(emitter, a, indices), get(emitter, b, indices))
        return put(emitter, a, indices, emitter.op("add", both, element, None))
    extent = a.type.shape[len(indices)]
    index, param = emitter.fresh(I32), emitter.fresh(a.type)
    emitter.open()
    end = _sum(emitter, param, b, (*indices, index))
    body = emitter.close()
    region = Region((index, param), body, Terminator("yield", (end,)))
    operands = (emitter.const(I32, 0), emitter.const(I32, extent), a)
    return emitter.emit("for", operands, (a.type,), (1, extent), (region,))[0]


def reverse_get(
    emitter: Emitter,
    replay: Replay,
    varied: Mapping[int, Value],
    statement: Statement,
    cotangents: Cotangents,
) -> None:
    """The element of the array's cotangent grows by the cotangent of what was read."""
    cotangent = cotangents.take(emitter, statement.results[0])
    array = statement.operands[0]
    if cotangent is None or array.id not in varied:
        return
    found = cotangents.take(emitter, array)
    old = zero(emitter, array.type) if found is None else found.value
    indices = replay.values(statement.operands[1:])
    before = Cotangent(get(emitter, old, indices))
    value = emitter.plain(emitter.total([before, cotangent]))
    cotangents.add(array, Cotangent(put(emitter, old, indices, value)))


def reverse_put(
    emitter: Emitter,
    replay: Replay,
    varied: Mapping[int, Value],
    statement: Statement,
    cotangents: Cotangents,
) -> None:
    """The new element takes its cotangent, of which the old array keeps nothing."""
    found = cotangents.take(emitter, statement.results[0])
    if found is None:
        return
    array, *at, value = statement.operands
    indices = replay.values(at)
    if value.id in varied:
        cotangents.add(value, Cotangent(get(emitter, found.value, indices)))
    if array.id in varied:
        cleared = put(emitter, found.value, indices, emitter.zero(_element(array)))
        contribute(emitter, cotangents, array, Cotangent(cleared))


def _element(array: Value) -> Element:
    assert isinstance(array.type, Array)
    return array.type.element
