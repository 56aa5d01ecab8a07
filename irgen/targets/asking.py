"""Asking a target which programs it takes, many at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from backends.base import Capture, Execution, Job
from backends.registry import BACKENDS
from grammar.types import Array, Type, element_shape, scalar_of
from irgen.targets.connection import Connection
from irgen.targets.execute import run_on
from irgen.targets.target import Target
from irgen.targets.trials import Trial
from irgen.vectors import output_types

T = TypeVar("T")
Answer = tuple[str, str]
"""A reason of `backends.base.REASONS` and its detail; two empty texts where all is well."""

Ask = Callable[[Sequence[Trial]], Sequence[Answer]]

TAKEN: Answer = ("", "")
REFUSED = frozenset(("source_error", "compile_error", "execution_error"))
"""What a target answers to a program that it does not take. Anything else that goes wrong is a bug
of the target: it is there to be found."""

_ABSENT = frozenset(("no_float_inputs", "no_float_outputs", "unending_adjoint"))
_SECONDS = 120.0
_WAY = "O0"
"""The quickest way to run a program forward and backward that every release has."""

_PARTS = 4
_WORD = re.compile(r"\w+")


def asking(connection: Connection) -> Ask:
    """Asks the target of a connection, as a user runs programs, forward and backward."""
    backend = BACKENDS[connection.target.backend]

    def ask(trials: Sequence[Trial]) -> list[Answer]:
        jobs: list[Job] = []
        for trial in trials:
            rendered = backend.render(trial.program, trial.style, avoided=trial.avoided)
            entry = trial.program.entry
            inputs = tuple([_ones(value.type) for value in entry.parameters])
            cotangents = tuple(
                [
                    _ones(type_) if scalar_of(type_).kind == "float" else None
                    for type_ in output_types(entry)
                ]
            )
            jobs.append(Job(trial.program, rendered, Capture((), {}), inputs, cotangents))
        return [_answer(found.execution) for (found,) in run_on(connection, jobs, (_WAY,))]

    return ask


def connect(target: Target) -> Connection:
    """A connection for trials, which hold far more statements than programs do."""
    return Connection(target, seconds=_SECONDS, patience=1.0)


def refusals(
    ask: Ask,
    groups: Sequence[Sequence[T]],
    made: Callable[[Sequence[T]], Trial],
    named: Callable[[T], frozenset[str]],
) -> dict[T, str]:
    """The items that a target refuses, with what it says; `made` makes one program of several.

    A group that fails is asked for in parts until each item that fails is known. `named` are the
    words of an item that a message about it may have: such items are asked for first, one by one.
    """
    refused: dict[T, str] = {}
    pending = [list(group) for group in groups]
    while pending:
        answers = ask([made(group) for group in pending])
        parts: list[list[T]] = []
        for group, answer in zip(pending, answers, strict=True):
            if answer == TAKEN:
                continue
            if len(group) > 1:
                words = frozenset(_WORD.findall(said(answer)))
                suspects = [item for item in group if named(item) & words]
                parts += _parts(group, suspects)
            elif answer[0] in REFUSED:
                refused[group[0]] = said(answer)
        pending = parts
    return refused


def _parts(group: list[T], suspects: list[T]) -> list[list[T]]:
    if 0 < len(suspects) < len(group):
        rest = [item for item in group if item not in suspects]
        return [*[[item] for item in suspects], rest]
    size = -(-len(group) // _PARTS)
    return [group[at : at + size] for at in range(0, len(group), size)]


def said(answer: Answer) -> str:
    """What a target says of a program that it refuses, without where in the program."""
    reason, detail = answer
    return detail.rsplit(" ;", 1)[-1].split(". ", 1)[0] or reason


def _answer(found: Execution) -> Answer:
    if found.reason:
        return found.reason, found.detail
    if found.gradient_reason and found.gradient_reason not in _ABSENT:
        return found.gradient_reason, found.gradient_detail
    return TAKEN


def _ones(type_: Type) -> np.ndarray:
    """Ones of a type, which every op takes; bfloat16 travels as float32."""
    dtype = "float32" if scalar_of(type_).name == "bf16" else scalar_of(type_).dtype
    element = type_.element if isinstance(type_, Array) else type_
    shape = type_.shape if isinstance(type_, Array) else ()
    return np.ones((*shape, *element_shape(element)), dtype)
