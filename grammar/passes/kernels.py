"""Array-level ops as kernels, for backends that have none of them.

Every array op of a program becomes launches of kernels into new buffers. Ops that only move
elements become index arithmetic where their result is read by such kernels; consecutive elementwise
ops over one shape become one kernel. Kernels with a loop get nothing else fused into them, so that
a loop's result is read back from memory before anything is done with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from grammar.ops.array import ARRAY_OPS
from grammar.passes.dce import eliminate_dead
from grammar.passes.kernel_units import Access, fused_kernel, stage_kernel, view_of
from grammar.passes.uses import highest_id, used_ids
from grammar.program import Program, Region, Statement, Terminator, Unit, Value, walk
from grammar.structural import effect_of, op_kind
from grammar.text import print_unit
from grammar.types import Array


def to_kernels(program: Program) -> Program:
    """The program with every op on arrays replaced by launches. Earlier units keep their numbers;
    equal kernels are one unit. A program without such ops comes back as it is."""
    entry = program.entry
    if entry.kind != "program" or not any(map(_on_arrays, walk(entry.body))):
        return program
    kernels = _Kernels(len(program.units) - 1, highest_id(entry) + 1)
    body = _Block(kernels, entry.body, _buffers(entry)).rewritten()
    made = eliminate_dead(replace(entry, body=body))
    return Program((*program.units[:-1], *kernels.units, made))


def _on_arrays(statement: Statement) -> bool:
    """Whether a statement is an op on whole arrays: an array op, or an elementwise one."""
    return op_kind(statement.op) == "array" or _elementwise(statement)


def _elementwise(statement: Statement) -> bool:
    return op_kind(statement.op) == "row" and isinstance(statement.results[0].type, Array)


def _buffers(entry: Unit) -> set[int]:
    """The ids of arrays that a program may write: made by zeros or copy, or carried as such."""
    found: set[int] = set()
    for statement in walk(entry.body):
        if effect_of(statement.op) == "allocate":
            found.add(statement.results[0].id)
        elif statement.op == "for":
            params = statement.regions[0].params[1:]
            inits = statement.operands[2:]
            for init, param, result in zip(inits, params, statement.results, strict=True):
                if init.id in found:
                    found |= {param.id, result.id}
    return found


@dataclass(slots=True)
class _Kernels:
    """The kernels made so far, by their text, and the next free value id of the program."""

    first: int
    next_id: int
    units: list[Unit] = field(default_factory=list[Unit])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def number(self, unit: Unit) -> int:
        text = print_unit(unit)
        if text not in self.numbers:
            self.numbers[text] = self.first + len(self.units)
            self.units.append(unit)
        return self.numbers[text]

    def fresh(self, type_: Array) -> Value:
        self.next_id += 1
        return Value(self.next_id - 1, type_)


class _Block:
    """Rewrites one region. `chain` are elementwise statements not yet emitted, `views` statements
    that only move elements, by result, and `scalars` those that compute scalars, which
    kernels compute again."""

    def __init__(
        self,
        kernels: _Kernels,
        region: Region,
        buffers: set[int],
        scalars: dict[int, Statement] | None = None,
    ) -> None:
        self.kernels = kernels
        self.source = region
        self.buffers = buffers
        self.scalars = dict(scalars or {})
        self.out: list[Statement] = []
        self.chain: list[Statement] = []
        self.views: dict[int, Statement] = {}
        self.made: set[int] = set()
        self.users: dict[int, list[int]] = {}
        for number, statement in enumerate(region.body):
            for used in used_ids([statement]):
                self.users.setdefault(used, []).append(number)
        for value in region.end.values:
            self.users.setdefault(value.id, []).append(len(region.body))
        self.numbers = {id(s): number for number, s in enumerate(region.body)}

    def rewritten(self, carried: Sequence[bool] = ()) -> Region:
        """The region; the values it ends with become buffers of its own where `carried` says so."""
        for number, statement in enumerate(self.source.body):
            self.statement(number, statement)
        self.settle(len(self.source.body))
        values = self.source.end.values
        if carried:
            values = self.owned(values, carried, len(self.source.body))
        return Region(self.source.params, tuple(self.out), Terminator(self.source.end.kind, values))

    def statement(self, number: int, statement: Statement) -> None:
        if statement.op == "const":
            self.scalars[statement.results[0].id] = statement
            self.out.append(statement)
        elif _elementwise(statement):
            self.elementwise(statement)
        elif op_kind(statement.op) == "array":
            if view_of(statement) is not None:
                self.views[statement.results[0].id] = statement
            else:
                self.flush()
                self.staged(statement)
        elif op_kind(statement.op) == "row":
            self.scalars[statement.results[0].id] = statement
            self.out.append(statement)
        else:
            self.settle(number)
            self.out.append(self.loop(number, statement) if statement.regions else statement)

    def elementwise(self, statement: Statement) -> None:
        """Add to the chain, after closing one of another shape, or one whose results this statement
        reads at other places."""
        result = statement.results[0].type
        assert isinstance(result, Array)
        if self.chain:
            shape = self.chain[0].results[0].type
            assert isinstance(shape, Array)
            inside = {s.results[0].id for s in self.chain}
            moved = [self.access(v) for v in statement.operands if v.id in self.views]
            if shape.shape != result.shape or any(found.root.id in inside for found in moved):
                self.flush()
        self.chain.append(statement)

    def access(self, value: Value) -> Access:
        """How to read an array: the views over it that are not emitted, and what is below them."""
        views: list[Statement] = []
        while value.id in self.views:
            views.append(self.views[value.id])
            value = views[-1].operands[0]
        return Access(value, tuple(views))

    def lookup(self, value: Value) -> Access | Statement | None:
        if isinstance(value.type, Array):
            return self.access(value)
        return self.scalars.get(value.id)

    def flush(self) -> None:
        """Emit the chain as one kernel that stores what others read."""
        chain, self.chain = self.chain, []
        inside = {self.numbers[id(s)] for s in chain}
        outputs = [
            s.results[0]
            for s in chain
            if any(user not in inside for user in self.users.get(s.results[0].id, ()))
        ]
        needed = {value.id for value in outputs}
        live: list[Statement] = []
        for statement in reversed(chain):
            if statement.results[0].id in needed:
                live.append(statement)
                needed.update([value.id for value in statement.operands])
        if outputs:
            shape = outputs[0].type
            assert isinstance(shape, Array)
            unit, passed = fused_kernel(shape.shape, live[::-1], outputs, self.lookup)
            self.launch(unit, passed, outputs)

    def staged(self, statement: Statement) -> None:
        """Emit an array op stage by stage."""
        types = [value.type for value in statement.operands]
        stages = ARRAY_OPS[statement.op].stages(
            tuple([type_ for type_ in types if isinstance(type_, Array)]), statement.attribute
        )
        operands = [self.access(value) for value in statement.operands]
        earlier: list[Value] = []
        for stage in stages:
            result = self.kernels.fresh(stage.type)
            if stage is stages[-1]:
                result = statement.results[0]
            unit, passed = stage_kernel(stage, operands, earlier)
            self.launch(unit, passed, [result])
            earlier.append(result)

    def launch(self, unit: Unit, passed: Iterable[Value], outputs: Sequence[Value]) -> None:
        for output in outputs:
            self.out.append(Statement("zeros", (), (output,)))
            self.made.add(output.id)
        number = self.kernels.number(unit)
        self.out.append(Statement("launch", (*passed, *outputs), (), number))

    def settle(self, number: int) -> None:
        """Emit all that waits and is needed by the statement with that number or later ones."""
        self.flush()
        for result, statement in list(self.views.items()):
            if any(user >= number for user in self.users.get(result, ())):
                del self.views[result]
                self.staged(statement)
        self.views.clear()

    # Loops

    def loop(self, number: int, statement: Statement) -> Statement:
        """A loop over launches. Arrays that it carries become buffers."""
        region = statement.regions[0]
        inits = statement.operands[2:]
        carried = [
            isinstance(value.type, Array) and value.id not in self.buffers for value in inits
        ]
        inside = used_ids(region.body)
        owned = self.owned(inits, carried, number, inside)
        operands = (*statement.operands[:2], *owned)
        inner = _Block(self.kernels, region, self.buffers, self.scalars).rewritten(carried)
        return statement._replace(operands=operands, regions=(inner,))

    def owned(
        self,
        values: Sequence[Value],
        wanted: Sequence[bool],
        number: int,
        inside: Collection[int] = (),
    ) -> tuple[Value, ...]:
        """The values, with copies for those wanted as buffers of this region that are none, or that
        something else reads as well, as the ids `inside` do."""
        found: list[Value] = []
        for value, copied in zip(values, wanted, strict=True):
            once = self.users.get(value.id) == [number] and list(values).count(value) == 1
            if copied and not (value.id in self.made and once and value.id not in inside):
                assert isinstance(value.type, Array)
                made = self.kernels.fresh(value.type)
                self.out.append(Statement("copy", (value,), (made,)))
                value = made
            found.append(value)
        return tuple(found)
