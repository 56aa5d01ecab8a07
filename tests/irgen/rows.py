"""Rows to read back: of presets, and of programs written by hand."""

from __future__ import annotations

import msgspec

from backends.registry import BACKENDS
from backends.style import Style
from grammar.config import Grammar
from grammar.parse import parse_program
from irgen.lane import Plan, produce
from irgen.record import Record
from irgen.service import Drawn, installed_versions
from irgen.views import VIEWS, Row


def plan(backend: str = "warp", level: str = "cpp", executions: tuple[str, ...] = ("cpu",)) -> Plan:
    """The plan of rows with one level."""
    versions = installed_versions(BACKENDS[backend], True, here=False)
    return Plan(backend, 0, frozenset({level}), executions, (), versions)


def record_of(text: str) -> Record:
    """The record of a program that no preset drew."""
    drawn = Drawn(Grammar(name="own"), 0, 0, parse_program(text), Style(), (1, 2))
    (record,) = produce(plan(), [drawn])
    return record


def row_of(record: Record, view: str = "wide") -> Row:
    """A row as a reader of JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(VIEWS[view](record)))


def line_of(row: object) -> bytes:
    """The line of a row."""
    return msgspec.json.encode(row) + b"\n"


TIED = """irgen 1
kernel @0 [8] (%0: i32, %1: f32[8], %2: f32[8]) {
  %3: f32 = load %1, %0
  %4: f32 = sin %3
  %5: f32 = cos %3
  %6: f32 = mul %4, %4
  %7: f32 = mul %5, %5
  %8: f32 = add %6, %7
  %9: f32 = const 1.0
  %10: bool = gt %8, %9
  %11: f32 = const -3.0
  %12: f32 = select %10, %3, %11
  store %2, %0, %12
  yield
}
"""
"""The sum of squares of sine and cosine against 1: nobody can say which is larger."""

OUTSIDE = """irgen 1
kernel @0 [8] (%0: i32, %1: f32[8], %2: f32[8]) {
  %3: i32 = const 100
  %4: i32 = add %0, %3
  %5: f32 = load %1, %4
  store %2, %0, %5
  yield
}
"""
"""It reads beyond its array."""
