"""The verifier accepts the examples and names the broken rule in everything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from grammar.parse import parse_program
from grammar.program import Program, Statement, Value
from grammar.structural import STRUCTURAL, TAPE
from grammar.structural_checks import literal_fits
from grammar.types import BF16, BOOL, F16, F32, F64, I8, I32, U64
from grammar.verify import VerifyError, verify, written_parameters
from tests.grammar.examples import EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_well_formed(name: str) -> None:
    verify(EXAMPLES[name])


def test_examples_use_every_structural_op() -> None:
    used: set[str] = set()
    ends: set[str] = set()

    def visit(region) -> None:
        ends.add(region.end.kind)
        for statement in region.body:
            used.add(statement.op)
            for inner in statement.regions:
                visit(inner)

    for program in EXAMPLES.values():
        for unit in program.units:
            visit(unit.body)
    assert used >= STRUCTURAL.keys() - set(TAPE)  # which gradients alone have
    assert ends == {"yield", "break", "continue", "return"}


FUNCTION = "irgen 1\nfunction @0(%0: f32, %1: i32, %2: bool) -> f32 {\n", "\nreturn %0\n}\n"
KERNEL = (
    "irgen 1\nkernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4], %3: f32[8], %4: i32) {\n",
    "\nyield\n}\n",
)
PROGRAM = (
    "irgen 1\nkernel @0 [4] (%0: i32, %1: f32[4], %2: f32[4]) {\n%3: f32 = load %1, %0\n"
    "store %2, %0, %3\nyield\n}\nprogram @1(%0: f32[4]) -> f32[4] {\n",
    "\nreturn %0\n}\n",
)
LOOP = "%10: i32 = const 0\n%11: i32 = const 4\n"


@pytest.mark.parametrize(
    ("around", "body", "why"),
    [
        # Typing
        (FUNCTION, "%5: f32 = add %0, %1", "add has no typing (f32, i32) -> f32"),
        (FUNCTION, "%5: i32 = neg %0", "neg has no typing (f32) -> i32"),
        (FUNCTION, "%5: f32 = neg %0 {1}", "neg has no attribute"),
        (FUNCTION, "%5: f32 = const 1", "literal 1 does not fit f32"),
        (FUNCTION, "%5: i8 = const 128", "literal 128 does not fit i8"),
        (FUNCTION, "%5: bool = const 1", "literal 1 does not fit bool"),
        (FUNCTION, "%5: f32x3 = const 1.0", "const makes a scalar, not f32x3"),
        (
            FUNCTION,
            "%5: f32x3 = fill %0\n%6: f32 = component %5 {3}",
            "the attribute of component is an integer from 0 to 2",
        ),
        (FUNCTION, "%5: f32[4] = zeros", "zeros does not stand in a function"),
        (KERNEL, "%5: f32 = load %1, %0, %0", "load on f32[4] takes 1 i32 indices"),
        (KERNEL, "%5: i32 = load %1, %0", "load from f32[4] has one result of type f32"),
        (KERNEL, "store %1, %0, %4", "store to f32[4] takes a value of type f32"),
        (KERNEL, "%5: f32[4] = neg %1", "neg takes arrays only in a program"),
        (KERNEL, "call {3}", "the attribute of call is the number of an earlier unit, not 3"),
        (KERNEL, "call {0}", "the attribute of call is the number of an earlier unit, not 0"),
        (PROGRAM, "launch %0 {0}", "@0 takes (f32[4], f32[4])"),
        (PROGRAM, "%7: f32[5] = add %0, %0", "add has an array result of shape [4] here"),
        # Values
        (FUNCTION, "%0: f32 = const 1.0", "%0 is defined twice"),
        (
            FUNCTION,
            "if %2 {\n%5: f32 = neg %0\nyield\n} else {\nyield\n}\n%6: f32 = neg %5",
            "%5 is not visible here",
        ),
        (
            FUNCTION,
            "%5: f32 = if %2 {\nyield %5\n} else {\nyield %0\n}",
            "%5 is not visible here",
        ),
        # Regions and exits
        (
            FUNCTION,
            "if %2 {\nyield %0\n} else {\nyield\n}",
            "the first region yields (f32), not ()",
        ),
        (FUNCTION, "if %0 {\nyield\n} else {\nyield\n}", "if takes one bool operand"),
        (
            FUNCTION,
            "if %2 {\nreturn %0\n} else {\nreturn %0\n}",
            "not both regions of an if may exit",
        ),
        (FUNCTION, "if %2 {\nbreak\n} else {\nyield\n}", "break stands in no loop"),
        (
            FUNCTION,
            "if %2 {\nreturn\n} else {\nyield\n}",
            "return takes values of types (f32) here",
        ),
        (
            FUNCTION,
            LOOP + "for %10, %11 {1, 4} (%12: i32) {\nbreak\n}",
            "the body of for ends with yield, not break",
        ),
        (
            FUNCTION,
            LOOP + "for %10, %11 {1, 4} (%12: i32) {\nif %2 {\ncontinue %0\n} else {\nyield\n}\n"
            "yield\n}",
            "continue takes values of types () here",
        ),
        (
            FUNCTION,
            "while {3} (%10: i32) {\nif %2 {\nreturn %0\n} else {\nyield\n}\nyield %2\n} "
            "do (%11: i32) {\nyield\n}",
            "return stands in a condition",
        ),
        (
            FUNCTION,
            "while {3} (%10: i32) {\nyield %10\n} do (%11: i32) {\nyield\n}",
            "the condition of while yields one bool",
        ),
        (
            FUNCTION,
            "while {0} (%10: i32) {\nyield %2\n} do (%11: i32) {\nyield\n}",
            "the attribute of while is {bound}, at least 1",
        ),
        (
            FUNCTION,
            LOOP + "for %10, %11 {0, 4} (%12: i32) {\nyield\n}",
            "the attribute of for is {step, bound}, both at least 1",
        ),
        (
            FUNCTION,
            LOOP + "for %10, %11 {1, 3} (%12: i32) {\nyield\n}",
            "4 rounds exceed the bound 3",
        ),
        (
            FUNCTION,
            LOOP + "%15: f32 = for %10, %11, %0 {1, 4} (%12: f32, %13: f32) {\nyield %0\n}",
            "a region of this for has parameters (i32, f32)",
        ),
        (
            KERNEL,
            "while {3} (%10: i32) {\nstore %1, %0, %0\n%12: bool = const true\nyield %12\n} "
            "do (%11: i32) {\nyield\n}",
            "store stands in a condition",
        ),
        # Written arrays
        (KERNEL, "%5: i32 = const 4\n%6: f32 = load %1, %5", "index 4 is outside 0 to 3"),
        (
            KERNEL,
            "%5: f32 = load %1, %0\nstore %2, %4, %5",
            "a written array is touched only at the lane's own index",
        ),
        (
            KERNEL,
            "%5: f32 = load %2, %4\nstore %2, %0, %5",
            "a written array is touched only at the lane's own index",
        ),
        (KERNEL, "%5: f32 = load %1, %0\nstore %3, %0, %5", "a written array has the shape [4]"),
        (
            KERNEL,
            "%5: f32 = load %1, %0\nstore %2, %0, %5\natomic_add %2, %0, %5",
            "%2 is also written by atomics",
        ),
        (
            KERNEL,
            "%5: f32 = load %1, %0\natomic_min %2, %0, %5\natomic_max %2, %0, %5",
            "%2 is also written by atomic_min",
        ),
        (KERNEL, "%5: f32 = load %1, %0\natomic_add %1, %0, %5", "%1 is written by atomics"),
        (
            KERNEL,
            "%5: bool = const true\n%6: f32[4] = if %5 {\nyield %1\n} else {\nyield %2\n}",
            "a kernel passes no arrays through a construct",
        ),
        (
            KERNEL,
            LOOP + "%6: f32[4] = for %10, %11, %1 {1, 4} (%12: i32, %13: f32[4]) {\nyield %13\n}",
            "a kernel passes no arrays through a construct",
        ),
        # Local arrays
        (FUNCTION, "%5: f32 = local", "local has one array result"),
        (FUNCTION, LOOP + "%5: f32[4] = local\n%6: f32 = get %5, %11", "index 4 is outside 0 to 3"),
        (KERNEL, "%5: f32 = get %1, %0", "get takes a local array, not a parameter"),
        (KERNEL, "%5: f32[4] = local\n%6: f32 = load %5, %0", "load takes an array parameter"),
        (
            KERNEL,
            "%5: f32[4] = local\n%6: f32[4] = put %5, %0, %0",
            "put to f32[4] takes a value of type f32",
        ),
        # Buffers
        (PROGRAM, "launch %0, %0 {0}", "%0 is written, not made by zeros or copy"),
        (PROGRAM, "%7: f32[4] = zeros\nlaunch %7, %7 {0}", "%7 is written and passed twice"),
        (
            PROGRAM,
            LOOP + "%7: f32[4] = zeros\n%9: f32[4] = for %10, %11, %7 {1, 4} (%12: i32, "
            "%13: f32[4]) {\nyield %13\n}\nlaunch %0, %7 {0}",
            "%7 was carried into a loop that owns it now",
        ),
        (
            PROGRAM,
            LOOP + "%7: f32[4] = zeros\n%8: f32[4] = zeros\n%20: f32[4], %21: f32[4] = "
            "for %10, %11, %7, %8 {1, 4} (%12: i32, %13: f32[4], %14: f32[4]) {\n"
            "yield %13, %13\n}",
            "%13 is not a buffer of this loop, given once",
        ),
        (
            PROGRAM,
            LOOP + "%7: f32[4] = zeros\n%20: f32[4] = for %10, %11, %7 {1, 4} (%12: i32, "
            "%13: f32[4]) {\n%14: f32[4] = add %13, %0\nyield %14\n}",
            "%14 and %13: only one is a buffer",
        ),
        (
            PROGRAM,
            LOOP + "%7: f32[4] = zeros\nfor %10, %11 {1, 4} (%12: i32) {\n%20: f32[4] = "
            "for %10, %11, %7 {1, 4} (%13: i32, %14: f32[4]) {\nyield %14\n}\nyield\n}",
            "%7 belongs to an outer region",
        ),
    ],
)
def test_broken_rules_are_named(around: tuple[str, str], body: str, why: str) -> None:
    with pytest.raises(VerifyError) as caught:
        verify(parse_program(around[0] + body + around[1]))
    assert why in caught.value.why
    assert caught.value.unit == (1 if around is PROGRAM else 0)
    assert caught.value.statement
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("function @0(%0: f32) -> f32 {\nyield %0\n}", "the body of a function ends with return"),
        ("function @0(%0: f32) -> i32 {\nreturn %0\n}", "ends with values of types (i32)"),
        ("function @0(%0: f32[4]) -> f32 {\n%1: f32 = const 0.0\nreturn %1\n}", "no arrays"),
        ("kernel @0(%0: f32[4]) {\nyield\n}", "a kernel has a grid"),
        ("program @0(%0: f32) -> f32 {\nreturn %0\n}", "a program does not return f32"),
        (
            "program @0(%0: f32[4]) -> f32[4] {\nreturn %0\n}\n"
            "function @1(%0: f32) -> f32 {\nreturn %0\n}",
            "only the last unit may be a program",
        ),
    ],
)
def test_broken_units_are_named(text: str, why: str) -> None:
    with pytest.raises(VerifyError, match=r"^unit @0: ") as caught:
        verify(parse_program("irgen 1\n" + text))
    assert why in caught.value.why


def test_empty_program_is_refused() -> None:
    with pytest.raises(VerifyError, match="at least one unit"):
        verify(Program(()))


def test_unknown_ops_and_stray_regions_are_refused() -> None:
    unit = EXAMPLES["loops"].entry
    x = unit.body.params[0]
    nested = Statement("neg", (x,), (Value(9999, x.type),), None, (unit.body,))
    for strange, why in (
        (Statement("launder", (), ()), "launder: unknown op"),
        (nested, "neg has no regions"),
    ):
        body = unit.body._replace(body=(*unit.body.body, strange))
        with pytest.raises(VerifyError, match=why):
            verify(Program((replace(unit, body=body),)))


@pytest.mark.parametrize(
    ("type_", "good", "bad"),
    [
        (F16, 65504.0, 65505.0),
        (F32, 3.4028234663852886e38, 3.5e38),
        (BF16, 3.3895313892515355e38, 3.4e38),
        (F64, 1.7e308, 1),
        (I8, -128, -129),
        (U64, (1 << 64) - 1, -1),
        (I32, 7, True),
        (BOOL, False, 0),
    ],
)
def test_literals_fit_their_type(type_, good, bad) -> None:
    assert literal_fits(type_, good)
    assert not literal_fits(type_, bad)


def test_infinities_and_nan_fit_floats() -> None:
    for literal in (float("inf"), float("-inf"), float("nan"), -0.0):
        assert literal_fits(F16, literal)


def test_written_parameters() -> None:
    assert written_parameters(EXAMPLES["atomics"].entry) == {1, 2, 3, 4}
    assert written_parameters(EXAMPLES["stencil"].entry) == {1}
