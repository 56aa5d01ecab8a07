"""Cases that are known to be wrong on Warp, and right next to it, on inputs that show it."""

from __future__ import annotations

import numpy as np

from backends.style import Style
from grammar.parse import parse_program
from grammar.types import Array
from irgen.fuzz.buckets import bucket
from irgen.fuzz.case import Case, Symptom
from irgen.fuzz.finding import Finding, of_case
from irgen.fuzz.setup import Setup
from irgen.vectors import output_types

PLAIN = Style(0, 0, 0, 0)
GRADIENT = Symptom("wrong_gradient", "gradients", "gradient", "cpu")
VALUE = Symptom("wrong_value", "values", "forward", "cpu")

WRITTEN = 3
"""The id of the array that the examples only write."""

FAIL = """irgen 1
kernel @0 [4] (%0: i32, %1: f32[4], %3: f32[4]) {
  %4: f32 = load %1, %0
  store %3, %0, %4
  yield
}
"""


def case(text: str) -> Case:
    """The case of an example: different numbers above zero, loops that run three times, zeros in
    what is written."""
    program = parse_program(text)
    inputs: list[np.ndarray] = []
    for value in program.entry.parameters:
        if not isinstance(value.type, Array):
            inputs.append(np.array(3, np.int32))
            continue
        kind = value.type.element
        numbers = np.linspace(1.5, 0.375, 4)
        used = value.type.shape == (4,) and value.id != WRITTEN
        made = numbers if used else np.zeros(value.type.shape)
        inputs.append(made.astype(np.float64 if "f64" in str(kind) else np.float32))
    cotangents = tuple(
        [
            np.ones(type_.shape, np.float64 if "f64" in str(type_) else np.float32)
            for type_ in output_types(program.entry)
            if isinstance(type_, Array)
        ]
    )
    return Case(program, PLAIN, tuple(inputs), cotangents)


def finding(text: str, symptom: Symptom = GRADIENT, backend: str = "warp") -> Finding:
    """A finding of an example."""
    found = case(text)
    return of_case(Setup(backend), found, bucket(found, symptom), symptom, [])
