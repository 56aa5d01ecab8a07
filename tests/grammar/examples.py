"""Hand-written programs that together use every construct. `EXAMPLES` maps names to programs."""

from __future__ import annotations

from grammar.build import ProgramBuilder, break_, continue_, return_
from grammar.program import Program
from grammar.types import BOOL, F16, F32, F64, I32, U32, Array, Matrix, Vector

LINE = Array(F32, (16,))
PLANE = Array(F32, (8, 4))
VEC3 = Vector(F32, 3)
MAT3 = Matrix(F32, 3, 3)


def constants() -> Program:
    """A function of literals that print in unusual ways."""
    p = ProgramBuilder()

    def body(b, x):
        numbers = [0.1, -0.0, 1e-05, 1.5e300, float("inf"), float("-inf")]
        total = x
        for number in numbers:
            total = b.op("add", total, b.const(F64, number))
        large = b.const(U32, 4294967295)
        small = b.const(I32, -2147483648)
        return total, large, small, b.const(BOOL, True)

    p.function((F64,), body)
    return p.finish()


def calls() -> Program:
    """A kernel calling functions, one of which has two results."""
    p = ProgramBuilder()
    double = p.function((F32,), lambda b, x: b.op("add", x, x))
    pair = p.function((F32, F32), lambda b, x, y: (b.op("mul", x, y), b.call(double, y)[0]))

    def body(b, i, a, out, gain):
        product, twice = b.call(pair, b.load(a, i), gain)
        b.store(out, i, b.op("sub", product, twice))

    p.kernel((16,), (LINE, LINE, F32), body)
    return p.finish()


def stencil() -> Program:
    """A two-axis kernel that reads clamped neighbours."""
    p = ProgramBuilder()

    def body(b, i, j, a, out):
        one, last = b.const(I32, 1), b.const(I32, 7)
        down = b.op("min", b.op("add", i, one), last)
        b.store(out, i, j, b.op("sub", b.load(a, down, j), b.load(a, i, j)))

    p.kernel((8, 4), (PLANE, PLANE), body)
    return p.finish()


def branches() -> Program:
    """Nested ifs with results, and a store under a condition."""
    p = ProgramBuilder()

    def body(b, i, a, out):
        x, zero = b.load(a, i), b.const(F32, 0.0)
        positive = b.op("gt", x, zero)

        def inner():
            large = b.op("gt", x, b.const(F32, 2.0))
            return b.if_(large, lambda: b.const(F32, 2.0), lambda: x)

        clipped, sign = b.if_(
            positive,
            lambda: (*inner(), b.const(I32, 1)),
            lambda: (b.op("neg", x), b.const(I32, -1)),
        )
        b.if_(b.op("lt", sign, i), lambda: b.store(out, i, clipped))

    p.kernel((16,), (LINE, LINE), body)
    return p.finish()


def loops() -> Program:
    """A constant for, a for up to a value, and a while, with and without carried values."""
    p = ProgramBuilder()

    def body(b, i, a, out):
        start = b.load(a, i)
        (total,) = b.for_(0, 10, (start,), lambda k, t: b.op("mul", t, start), step=3)
        (again,) = b.for_(
            b.const(I32, 0), i, (total,), lambda k, t: b.op("add", t, b.load(a, k)), bound=16
        )
        (last, count) = b.while_(
            (again, b.const(I32, 0)),
            lambda k, t, n: b.op("lt", t, b.const(F32, 100.0)),
            lambda k, t, n: (b.op("add", t, t), b.op("add", n, k)),
            bound=8,
        )
        b.for_(0, 2, (), lambda k: b.store(out, i, b.op("add", last, b.load(out, i))))
        b.if_(b.op("eq", count, i), lambda: b.store(out, i, total))

    p.kernel((16,), (LINE, LINE), body)
    return p.finish()


def exits() -> Program:
    """Break, continue and return in a function and a kernel."""
    p = ProgramBuilder()

    def find(b, x, limit):
        zero = b.const(F32, 0.0)
        b.if_(b.op("lt", x, zero), lambda: return_(zero, b.const(I32, -1)))

        def body(k, t):
            b.if_(b.op("gt", t, limit), lambda: return_(t, k))
            odd = b.op("eq", b.op("modulo", k, b.const(I32, 2)), b.const(I32, 1))
            b.if_(odd, lambda: continue_(t))
            grown = b.op("add", t, x)
            b.if_(b.op("eq", grown, t), lambda: break_(grown))
            return grown

        (total,) = b.for_(0, 8, (x,), body)
        return total, b.const(I32, 8)

    function = p.function((F32, F32), find)

    def main(b, i, a, out):
        x = b.load(a, i)
        b.if_(b.op("eq", x, b.const(F32, 0.0)), return_)
        found, at = b.call(function, x, b.const(F32, 3.0))

        def body(k, t):
            b.store(out, i, t)

            def stop():
                b.if_(b.op("gt", t, b.const(F32, 9.0)), return_)
                return break_(t)

            b.if_(b.op("gt", k, at), stop)
            return b.op("add", t, found)

        (total,) = b.while_((x,), lambda k, t: b.op("lt", t, b.const(F32, 50.0)), body, bound=6)
        b.store(out, i, total)

    p.kernel((16,), (LINE, LINE), main)
    return p.finish()


def atomics() -> Program:
    """All atomics: at the top level, under a condition, in a loop, after a return."""
    p = ProgramBuilder()
    cells, counts = Array(F32, (4,)), Array(I32, (1,))

    def body(b, i, a, total, lowest, highest, count):
        zero = b.const(I32, 0)
        x = b.load(a, i)
        b.if_(b.op("gt", x, b.const(F32, 100.0)), return_)
        slot = b.op("modulo", i, b.const(I32, 4))
        b.atomic("add", total, slot, x)
        b.if_(b.op("lt", x, b.const(F32, 1.0)), lambda: b.atomic("min", lowest, slot, x))
        b.for_(0, 3, (), lambda k: b.atomic("max", highest, slot, b.op("add", x, x)))
        b.for_(0, 3, (), lambda k: b.atomic("sub", count, zero, k))

    p.kernel((16,), (LINE, cells, cells, cells, counts), body)
    return p.finish()


def vectors() -> Program:
    """Vectors and matrices, attributes, and a conversion."""
    p = ProgramBuilder()

    def body(b, i, a, m, out, halves):
        v = b.load(a, i)
        w = b.op("matvec", b.load(m, i), v)
        x = b.op("component", w, attribute=2)
        b.store(out, i, b.op("scale", x, v))
        b.store(halves, i, b.op("cast", x, result=F16))

    arrays = (VEC3, MAT3, VEC3, F16)
    p.kernel((16,), tuple(Array(element, (16,)) for element in arrays), body)
    return p.finish()


def heat() -> Program:
    """A program: time stepping with ping-pong buffers, a copy and elementwise arithmetic."""
    p = ProgramBuilder()

    def step(b, i, old, new, rate):
        left = b.op("max", b.op("sub", i, b.const(I32, 1)), b.const(I32, 0))
        here = b.load(old, i)
        change = b.op("mul", rate, b.op("sub", b.load(old, left), here))
        b.store(new, i, b.op("add", here, change))

    kernel = p.kernel((16,), (LINE, LINE, F32), step)

    def main(b, first, rate):
        old, new = b.copy(first), b.zeros(LINE)

        def body(k, current, following):
            b.launch(kernel, current, following, rate)
            return following, current

        last, _ = b.for_(0, 5, (old, new), body)
        return last, b.op("sub", b.op("mul", last, rate), first)

    p.program((LINE, F32), main)
    return p.finish()


EXAMPLES: dict[str, Program] = {
    make.__name__: make()
    for make in (
        constants,
        calls,
        stencil,
        branches,
        loops,
        exits,
        atomics,
        vectors,
        heat,
    )
}
