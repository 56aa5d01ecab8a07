"""Small random units over i32 that nest exits, loops, stores and atomics, for testing passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from grammar.build import Builder, ProgramBuilder, Yielded, break_, continue_, return_
from grammar.program import Program, Terminator, Value
from grammar.types import I32, Array

Below = Callable[[int], int]
GRID = 3
SLOTS = 2
CELLS, SUMS = Array(I32, (GRID,)), Array(I32, (SLOTS,))
KERNEL_PARAMS = (CELLS, CELLS, CELLS, SUMS, SUMS, I32)
BINARY = ("add", "sub", "mul", "min", "max")
MAX_DEPTH = 3


class Maker:
    """Emits random statements through a builder. `pool` holds the i32 values in scope."""

    def __init__(self, below: Below, b: Builder, pool: Sequence[Value], results: int) -> None:
        self.below = below
        self.b = b
        self.pool = list(pool)
        self.results = results
        self.lane: Value | None = None
        self.arrays: tuple[Value, ...] = ()
        self.slots: list[Value] = []
        self.depth = 0
        self.in_condition = False
        self.carried: int | None = None

    def value(self) -> Value:
        return self.pool[self.below(len(self.pool))]

    def values(self, count: int) -> list[Value]:
        return [self.value() for _ in range(count)]

    def truth(self) -> Value:
        op = ("lt", "le", "eq")[self.below(3)]
        return self.b.op(op, self.value(), self.value())

    def exit(self) -> Terminator | None:
        """A legal exit, or none."""
        kinds: list[Callable[[], Terminator]] = []
        if self.carried is not None:
            count = self.carried
            kinds.append(lambda: break_(*self.values(count)))
            kinds.append(lambda: continue_(*self.values(count)))
        if not self.in_condition:
            kinds.append(lambda: return_(*self.values(self.results)))
        return kinds[self.below(len(kinds))]() if kinds else None

    def statements(self) -> None:
        for _ in range(self.below(5)):
            self.statement()

    def statement(self) -> None:
        choices: list[Callable[[], None]] = [self.arithmetic, self.constant]
        if self.lane is not None:
            choices.append(self.load)
            if not self.in_condition:
                choices += [self.store, self.store, self.atomic]
            if not self.depth:
                choices.append(self.slot)
        if self.depth < MAX_DEPTH:
            choices += [self.branch, self.branch, self.for_loop, self.while_loop]
        choices[self.below(len(choices))]()

    def arithmetic(self) -> None:
        self.pool.append(self.b.op(BINARY[self.below(len(BINARY))], *self.values(2)))

    def constant(self) -> None:
        self.pool.append(self.b.const(I32, self.below(7) - 3))

    def load(self) -> None:
        assert self.lane is not None
        self.pool.append(self.b.load(self.arrays[self.below(3)], self.lane))

    def store(self) -> None:
        assert self.lane is not None
        self.b.store(self.arrays[1 + self.below(2)], self.lane, self.value())

    def slot(self) -> None:
        """An index for atomics, at the top level."""
        self.slots.append(self.b.op("modulo", self.value(), self.b.const(I32, SLOTS)))

    def atomic(self) -> None:
        if self.slots:
            at = self.below(3)
            what, array = (("add", 3), ("sub", 3), ("min", 4))[at]
            slot = self.slots[self.below(len(self.slots))]
            self.b.atomic(what, self.arrays[array], slot, self.value())

    def nested(self, params: Sequence[Value], end: Callable[[], Yielded]) -> Yielded:
        """The statements of a region, and its end; afterwards the pool is as before."""
        pool, slots = list(self.pool), list(self.slots)
        self.pool = [*pool, *params]
        self.depth += 1
        self.statements()
        ended = end()
        self.depth -= 1
        self.pool, self.slots = pool, slots
        return ended

    def branch(self) -> None:
        count, leaving = self.below(3), self.below(4)

        def side(exits: bool) -> Callable[[], Yielded]:
            def end() -> Yielded:
                taken = self.exit() if exits else None
                return self.values(count) if taken is None else taken

            return lambda: self.nested((), end)

        results = self.b.if_(self.truth(), side(leaving == 1), side(leaving == 2))
        self.pool = [*self.pool, *results]

    def body(self, count: int) -> Callable[..., Yielded]:
        def run(*params: Value) -> Yielded:
            outer, self.carried = self.carried, count
            ended = self.nested(params, lambda: self.values(count))
            self.carried = outer
            return ended

        return run

    def condition(self, *params: Value) -> Yielded:
        outer, self.carried = self.carried, None
        was, self.in_condition = self.in_condition, True
        ended = self.nested(params, self.truth)
        self.carried, self.in_condition = outer, was
        return ended

    def for_loop(self) -> None:
        count, start, trips, step = self.below(3), self.below(3), self.below(4), 1 + self.below(2)
        stop = start + trips * step
        inits = self.values(count)
        results = self.b.for_(start, stop, inits, self.body(count), step=step)
        self.pool = [*self.pool, *results]

    def while_loop(self) -> None:
        count = self.below(3)
        inits = self.values(count)
        bound = 1 + self.below(3)
        results = self.b.while_(inits, self.condition, self.body(count), bound)
        self.pool = [*self.pool, *results]


def random_function(below: Below) -> Program:
    """A function from two i32 to two i32."""
    p = ProgramBuilder()

    def body(b: Builder, x: Value, y: Value) -> Yielded:
        maker = Maker(below, b, (x, y), 2)
        maker.statements()
        maker.statements()
        return maker.values(2)

    p.function((I32, I32), body)
    return p.finish()


def random_kernel(below: Below) -> Program:
    """A kernel over three lanes: one array only read, two stored to, and two for atomics."""
    p = ProgramBuilder()

    def body(b: Builder, lane: Value, *params: Value) -> None:
        maker = Maker(below, b, (lane, params[-1]), 0)
        maker.lane, maker.arrays = lane, params[:-1]
        maker.statements()
        maker.statements()

    p.kernel((GRID,), KERNEL_PARAMS, body)
    return p.finish()
