"""A minimal program for each limitation, and one next to it whose gradient is right.

Programs are in the text form of `grammar.text`.
"""

from __future__ import annotations

from collections.abc import Mapping


def _kernel(body: str, params: str) -> str:
    lines = "".join(f"  {line}\n" for line in body.strip().splitlines())
    return f"irgen 1\nkernel @0 [4] (%0: i32, {params}) {{\n{lines}  yield\n}}\n"


def _loop(body: str) -> str:
    return _kernel(body, "%1: f64[4], %2: i32, %3: f64[4]")


def _cells(body: str) -> str:
    return _kernel(body, "%1: f64[4], %3: f64[4]")


WRONG: Mapping[str, str] = {
    "loop_value": _loop("""
%4: i32 = const 0
%5: f64 = load %1, %0
%6: f64 = for %4, %2, %5 {1, 8} (%7: i32, %8: f64) {
  %9: f64 = mul %8, %5
  yield %9
}
store %3, %0, %6
"""),
    "loop_result": _loop("""
%4: i32 = const 0
%5: f64 = load %1, %0
%6: f64 = const 0.0
%7: f64 = for %4, %2, %6 {1, 8} (%8: i32, %9: f64) {
  %10: f64 = add %9, %5
  yield %10
}
%11: f64 = square %7
store %3, %0, %11
"""),
    "loop_start": _loop("""
%4: i32 = const 0
%5: f64 = load %1, %0
%6: f64 = exp %5
%7: f64 = for %4, %2, %6 {1, 8} (%8: i32, %9: f64) {
  %10: f64 = add %9, %5
  yield %10
}
store %3, %0, %7
"""),
    "loop_exit": _cells("""
%4: i32 = const 0
%5: i32 = const 4
%6: f64 = load %1, %0
%7: f64 = for %4, %5, %6 {1, 4} (%8: i32, %9: f64) {
  %10: i32 = const 1
  %11: bool = gt %8, %10
  if %11 {
    break %9
  } else {
    yield
  }
  %12: f64 = load %1, %8
  %13: f64 = add %9, %12
  yield %13
}
store %3, %0, %7
"""),
    "while_loop": _cells("""
%4: f64 = load %1, %0
while {3} (%5: i32) {
  %6: bool = const true
  yield %6
} do (%7: i32) {
  %8: f64 = cast %7
  %9: f64 = mul %4, %8
  store %3, %0, %9
  yield
}
"""),
    "overwritten_cell": _kernel(
        """
%2: f64 = load %1, %0
%3: f64 = square %2
store %1, %0, %3
""",
        "%1: f64[4]",
    ),
    "overwritten_buffer": """irgen 1
kernel @0 [4] (%0: i32, %1: f64[4], %2: f64[4]) {
  %3: f64 = load %1, %0
  %4: f64 = square %3
  store %2, %0, %4
  yield
}
program @1(%0: f64[4]) -> f64[4], f64[4] {
  %1: f64[4] = copy %0
  %2: f64[4] = zeros
  launch %1, %2 {0}
  launch %0, %1 {0}
  return %2, %1
}
""",
    "atomic_extreme": _kernel(
        """
%3: i32 = const 0
%4: f64 = load %1, %0
atomic_max %2, %3, %4
""",
        "%1: f64[4], %2: f64[1]",
    ),
    "fmod_operand": _cells("""
%4: f64 = load %1, %0
%5: f64 = const 3.0
%6: f64 = fmod %5, %4
store %3, %0, %6
"""),
    "overwritten_component": _cells("""
%4: f64 = load %1, %0
%5: f64x2 = vec2 %4, %4
%6: f64x2 = with_component2 %5, %4 {0}
%7: f64 = component %6 {0}
store %3, %0, %7
"""),
    "frac_operand": _cells("""
%4: f64 = load %1, %0
%5: f64 = frac %4
store %3, %0, %5
"""),
}
"""A program per limitation, by its name; its gradient is wrong."""

RIGHT: Mapping[str, str] = {
    "loop_value": _loop("""
%4: i32 = const 0
%5: f64 = load %1, %0
%6: f64 = for %4, %2, %5 {1, 8} (%7: i32, %8: f64) {
  %9: f64 = sin %5
  %10: f64 = add %8, %9
  yield %10
}
store %3, %0, %6
"""),
    "loop_result": _loop("""
%4: i32 = const 0
%5: f64 = load %1, %0
%6: f64 = const 0.0
%7: f64 = for %4, %2, %6 {1, 8} (%8: i32, %9: f64) {
  %10: f64 = add %9, %5
  yield %10
}
%11: f64 = const 3.0
%12: f64 = mul %7, %11
store %3, %0, %12
"""),
    "loop_start": _loop("""
%4: i32 = const 0
%5: f64 = load %1, %0
%6: f64 = exp %5
%7: f64 = for %4, %2, %6 {1, 8} (%8: i32, %9: f64) {
  %10: f64 = add %9, %5
  yield %10
}
%11: f64 = add %7, %6
store %3, %0, %11
"""),
    "loop_exit": _cells("""
%4: i32 = const 0
%5: i32 = const 4
%6: f64 = load %1, %0
%7: f64 = for %4, %5, %6 {1, 4} (%8: i32, %9: f64) {
  %10: i32 = const 1
  %11: bool = gt %8, %10
  if %11 {
    continue %9
  } else {
    yield
  }
  %12: f64 = load %1, %8
  %13: f64 = mul %9, %12
  yield %13
}
store %3, %0, %7
"""),
    "while_loop": _cells("""
%4: f64 = load %1, %0
%5: f64 = while %4 {3} (%6: i32, %7: f64) {
  %8: bool = const true
  yield %8
} do (%9: i32, %10: f64) {
  %11: f64 = cast %9
  %12: f64 = mul %4, %11
  %13: f64 = add %10, %12
  yield %13
}
store %3, %0, %5
"""),
    "overwritten_cell": _kernel(
        """
%2: f64 = load %1, %0
%3: f64 = const 3.0
%4: f64 = mul %2, %3
store %1, %0, %4
""",
        "%1: f64[4]",
    ),
    "overwritten_buffer": """irgen 1
kernel @0 [4] (%0: i32, %1: f64[4], %2: f64[4]) {
  %3: f64 = load %1, %0
  %4: f64 = square %3
  store %2, %0, %4
  yield
}
program @1(%0: f64[4]) -> f64[4], f64[4] {
  %1: f64[4] = zeros
  %2: f64[4] = zeros
  launch %0, %1 {0}
  launch %1, %2 {0}
  return %2, %1
}
""",
    "atomic_extreme": _kernel(
        """
%3: i32 = const 0
%4: f64 = load %1, %0
atomic_add %2, %3, %4
""",
        "%1: f64[4], %2: f64[1]",
    ),
    "fmod_operand": _cells("""
%4: f64 = load %1, %0
%5: f64 = const 0.75
%6: f64 = fmod %4, %5
store %3, %0, %6
"""),
    "overwritten_component": _cells("""
%4: f64 = load %1, %0
%5: f64 = const 0.75
%6: f64x2 = vec2 %5, %5
%7: f64x2 = with_component2 %6, %4 {0}
%8: f64 = component %7 {0}
store %3, %0, %8
"""),
    "frac_operand": _cells("""
%4: f64 = load %1, %0
%5: f64 = trunc %4
%6: f64 = sub %4, %5
store %3, %0, %6
"""),
}
"""The same, changed a little; the gradient is right and no limitation is named."""
