"""The cotangents of the contents that buffers have had, each in a buffer."""

from __future__ import annotations

from collections.abc import Sequence

from grammar.gradient.emitter import Emitter
from grammar.gradient.units import Units
from grammar.program import Region, Terminator, Unit, Value
from grammar.types import I32, Array, Type


class Buffers:
    """`found` has the cotangent of each content by the id of the value that holds it: an array of
    the same type, for a scalar an array of one. Those in `writable` may be added to in place."""

    def __init__(self, emitter: Emitter, units: Units) -> None:
        self.emitter = emitter
        self.units = units
        self.found: dict[int, Value] = {}
        self.writable: set[int] = set()
        self.adders: dict[Array, int] = {}

    @staticmethod
    def type_of(value: Value) -> Array:
        """The type of the cotangent of a value."""
        type_ = value.type
        return type_ if isinstance(type_, Array) else Array(type_, (1,))

    def zeros(self, type_: Type) -> Value:
        """A new buffer."""
        (made,) = self.emitter.emit("zeros", (), (type_,))
        self.writable.add(made.id)
        return made

    def copied(self, value: Value) -> Value:
        """A new buffer with the contents of another."""
        (made,) = self.emitter.emit("copy", (value,), (value.type,))
        self.writable.add(made.id)
        return made

    def holds(self, value: Value) -> bool:
        """Whether a content has received something."""
        return value.id in self.found

    def take(self, value: Value) -> Value | None:
        """The cotangent of a content, which is complete and is not asked for again."""
        return self.found.pop(value.id, None)

    def ready(self, value: Value) -> Value:
        """The cotangent of a content, to be added to in place."""
        old = self.found.get(value.id)
        if old is None:
            old = self.zeros(self.type_of(value))
        elif old.id not in self.writable:
            old = self.copied(old)
        self.found[value.id] = old
        return old

    def add(self, value: Value, cotangent: Value) -> None:
        """One more contribution, given away."""
        if value.id not in self.found:
            self.found[value.id] = cotangent
            return
        target = self.ready(value)
        type_ = self.type_of(value)
        if type_ not in self.adders:
            self.adders[type_] = self.units.add(_adder(type_))
        self.emitter.act("launch", (cotangent, target), self.adders[type_])

    def owned(self, values: Sequence[Value], params: Sequence[Value]) -> tuple[Value, ...]:
        """Values that the innermost open region may yield as buffers: its own, each once."""
        own = {value.id for value in params} | self.emitter.allocated()
        out: list[Value] = []
        for value in values:
            if value.id not in own:
                value = self.copied(value)
            own.discard(value.id)
            out.append(value)
        return tuple(out)


def _adder(type_: Array) -> Unit:
    """The kernel that adds its first array to its second."""
    emitter = Emitter(0)
    own = tuple([emitter.fresh(I32) for _ in type_.shape])
    term, total = emitter.fresh(type_), emitter.fresh(type_)
    loaded = [emitter.op("load", (array, *own), type_.element, None) for array in (total, term)]
    value = emitter.op("add", tuple(loaded), type_.element, None)
    emitter.act("store", (total, *own, value))
    body = Region((*own, term, total), emitter.statements(), Terminator("yield"))
    return Unit("kernel", body, (), type_.shape)
