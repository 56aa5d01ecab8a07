"""Examining cases: all that the oracles of a setup say of them."""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import msgspec

from backends.registry import BACKENDS
from irgen.fuzz import agreement, cost
from irgen.fuzz.case import Case, Examined, Symptom
from irgen.fuzz.compare import compare
from irgen.fuzz.defined import undefined
from irgen.fuzz.known import explained
from irgen.fuzz.oracles import failures, told, wrong_gradients, wrong_values
from irgen.fuzz.setup import Setup
from irgen.fuzz.trial import DEFAULT, Trial, base_of, begin, run_apart, ways_of
from irgen.fuzz.variants import Variant, variants
from irgen.pool import Limits, Lost, Session
from irgen.targets import environment
from irgen.targets.connection import Connection
from irgen.targets.target import Target

_T = TypeVar("_T")

Examiner = Callable[[Sequence[Case]], list[Examined]]
"""What examines cases in processes that may die."""

PATIENCE = 10
"""A case that took too long is tried again, alone, with so many times the limit."""

BATCH = 32
"""Cases examined together, and so compiled together."""

APART = 20.0
"""Seconds that a case may take in all its ways in an interpreter of its own."""

_FEW = 8
"""Cases examined together where each also runs in an interpreter of its own."""


def examine(setup: Setup, cases: Sequence[Case], patience: int = PATIENCE) -> list[Examined]:
    """What the oracles of a setup say of each case, which is nothing where a case is not defined.

    It runs what it judges, in this process and those of connections, so it is the work of a pool.
    Raises BackendError or UserError where a backend or target cannot be used.
    """
    if setup.against is not None:
        return compare(functools.partial(examine, patience=patience), setup, cases)
    defined = [case for case in cases if not undefined(case)]
    found = dict(zip(map(id, defined), _examined(setup, defined, patience), strict=True))
    return [found.get(id(case), Examined(())) for case in cases]


def _examined(setup: Setup, cases: Sequence[Case], patience: int) -> list[Examined]:
    """What is said of defined cases."""
    rewritten = [variants_of(setup, case) for case in cases]
    trials = begin(setup, [*cases, *[one.case for some in rewritten for one in some]])
    own, others = trials[: len(cases)], iter(trials[len(cases) :])
    ways = ways_of(setup)
    target = setup.target
    if target is not None:
        ways = (DEFAULT, *ways)
    if ways:
        connected = connection(target or installed(setup.backend), patience)
        run_apart(connected, own, ways)
        if "cost" in setup.oracles:
            slow = [one for one in own if _is_slow(one)]
            run_apart(connected, slow, (DEFAULT,))
        if target is not None:
            run_apart(connected, trials[len(cases) :], (DEFAULT,))
    both = "backends" in setup.oracles
    compared = agreement.others(setup, cases) if both else [None] * len(cases)
    done: list[Examined] = []
    for trial, some, other in zip(own, rewritten, compared, strict=True):
        symptoms = told(trial, setup.oracles)
        symptoms += _of_variants(trial, [(one, next(others)) for one in some])
        if other is not None:
            symptoms = agreement.confirmed(trial, other, symptoms)
            symptoms += agreement.against(trial, other)
        explained = _with_known(setup, trial.case, symptoms)
        done.append(Examined(explained, (trial.verdict(trial.base),)))
    return done


def _is_slow(trial: Trial) -> bool:
    found = trial.measured[DEFAULT]
    return cost.is_slow(trial.setup.backend, trial.case.program, found[0])


def variants_of(setup: Setup, case: Case) -> list[Variant]:
    """The cases of the same meaning that are tried with a case."""
    if "rewrites" not in setup.oracles:
        return []
    return [one for one in variants(case) if not undefined(one.case)]


def _of_variants(trial: Trial, found: Sequence[tuple[Variant, Trial]]) -> list[Symptom]:
    """What is wrong with a case rewritten, where the case itself is right."""
    base = {(one.kind, one.direction) for one in _judged(trial)}
    return [
        msgspec.structs.replace(one, way=variant.name)
        for variant, other in found
        for one in _judged(other)
        if (one.kind, one.direction) not in base
    ]


def _judged(trial: Trial) -> list[Symptom]:
    way = trial.base
    return [
        *wrong_values(trial, way, "rewrites"),
        *wrong_gradients(trial, way, "rewrites"),
        *failures(trial, way, "rewrites"),
    ]


def _with_known(setup: Setup, case: Case, symptoms: Sequence[Symptom]) -> tuple[Symptom, ...]:
    """The symptoms, with the known bugs that explain them where those count."""
    if not setup.limitations or not symptoms:
        return tuple(symptoms)
    found = dict(versions(setup))
    return tuple(
        [
            one
            if one.known
            else msgspec.structs.replace(one, known=explained(setup.backend, case, one, found))
            for one in symptoms
        ]
    )


def settled(setup: Setup, case: Case, symptom: Symptom) -> tuple[Case, Symptom]:
    """The case that shows a symptom by itself, and the symptom there: of one that a rewrite shows,
    the rewritten case. Which rewrites are tried changes as a program shrinks."""
    if symptom.oracle != "rewrites":
        return case, symptom
    oracle = {"wrong_value": "values", "wrong_gradient": "gradients"}.get(symptom.kind, "failures")
    (found,) = [one.case for one in variants_of(setup, case) if one.name == symptom.way]
    return found, msgspec.structs.replace(symptom, oracle=oracle, way=base_of(setup))


# Processes


def prepare(setup: Setup) -> None:
    """Start in a process what its setup runs there; BackendError where that cannot be used."""
    if setup.target is None:
        BACKENDS[setup.backend].prepare()
    if "backends" in setup.oracles:
        BACKENDS[agreement.OTHER[setup.backend]].prepare()


def limits(setup: Setup, patience: int = PATIENCE) -> Limits:
    """What a worker may use that examines cases. Where cases run in an interpreter of their own,
    that has a limit itself, which the worker waits for."""
    seconds, batch = BACKENDS[setup.backend].seconds, BATCH
    if "backends" in setup.oracles:
        seconds += BACKENDS[agreement.OTHER[setup.backend]].seconds
    ways = len(ways_of(setup)) + (setup.target is not None)
    ways *= 1 + (setup.against is not None)
    if ways:
        batch = _FEW
        seconds += APART * batch + APART * (1 + patience) * (1 + ways)
    return Limits(seconds=seconds, batch=batch, patience=patience)


def lost(setup: Setup, found: Lost) -> Examined:
    """What is said of a case that ended the process which examined it: a symptom, unless failures
    are not looked for."""
    if "failures" not in setup.oracles:
        return Examined(())
    return Examined((Symptom(found.reason, "failures", "", base_of(setup), found.detail),))


def versions(setup: Setup) -> tuple[tuple[str, str], ...]:
    """What is installed where a setup runs: distributions and their versions."""
    return (setup.target or installed(setup.backend)).versions


@functools.cache
def installed(backend: str) -> Target:
    """The target that is this interpreter."""
    return environment.installed(backend)


_CONNECTIONS: dict[tuple[int, Target, int], Connection] = {}


def connection(target: Target, patience: int = PATIENCE) -> Connection:
    """The connection of this process to a target; it ends with the process."""
    key = os.getpid(), target, patience
    if key not in _CONNECTIONS:
        _CONNECTIONS[key] = Connection(target, APART, patience=patience)
        atexit.register(_CONNECTIONS[key].close)
    return _CONNECTIONS[key]


@contextmanager
def examiner(setup: Setup, workers: int, patience: int = PATIENCE) -> Generator[Examiner]:
    """What examines cases in worker processes that live as long as the context. A case that ends
    its process has that as its symptom."""
    with Session(
        functools.partial(examine, setup, patience=patience),
        workers=workers,
        limits=limits(setup, patience),
        prepare=functools.partial(prepare, setup),
    ) as session:

        def examined(cases: Sequence[Case]) -> list[Examined]:
            return [
                _survived(setup, case, one)
                for case, one in zip(cases, session.map(cases), strict=True)
            ]

        yield examined


def _survived(setup: Setup, case: Case, found: Examined | Lost) -> Examined:
    if isinstance(found, Examined):
        return found
    examined = lost(setup, found)
    return replace(examined, symptoms=_with_known(setup, case, examined.symptoms))


def witness(examined: Examiner, symptom: Symptom) -> Callable[[Sequence[Case]], list[bool]]:
    """Whether cases show a symptom: of the same signature, and explained by nothing unless this one
    is."""

    def holds(one: Examined) -> bool:
        return any(
            found.signature == symptom.signature and (bool(symptom.known) or not found.known)
            for found in one.symptoms
        )

    def seen(cases: Sequence[Case]) -> list[bool]:
        return [holds(one) for one in examined(cases)]

    return seen
