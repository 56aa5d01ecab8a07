"""Probing a target, once: what of the language it does not take."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from backends.spelling import avoidable
from grammar.config import GRAMMAR_VERSION
from grammar.drawing.layers import LAYERS
from grammar.ops import OPS
from grammar.ops.array import ARRAY_OPS
from grammar.passes.kernels import to_kernels
from grammar.program import statements
from grammar.text import print_program
from grammar.types import Element, Scalar, scalar_of
from irgen.errors import UserError
from irgen.targets.asking import REFUSED, TAKEN, Ask, asking, connect, refusals, said
from irgen.targets.building import cache_folder
from irgen.targets.lacks import Lack, Lacks
from irgen.targets.layer_trials import (
    ArrayForm,
    array_forms,
    array_texts,
    array_trial,
    layer_ops,
)
from irgen.targets.target import Target
from irgen.targets.trials import (
    FEATURES,
    Form,
    Trial,
    constructs,
    elements,
    forms,
    groups,
    holding,
    spelled_so,
)

PROBE_VERSION = 2
"""Raised when the same rows are tried in another way."""

_GROUP = 60
"""Ops that are tried in one program."""

Tell = Callable[[str], None]


def probe(target: Target, tell: Tell | None = None, *, fresh: bool = False) -> Lacks:
    """What a target lacks: asked once, then kept in the user's cache folder.

    `tell` is told, in a line, when asking begins; `fresh` asks again.

    Raises:
        UserError: the target does not even take the simplest program.
        BackendError: it cannot be used.
    """
    path = _kept(target)
    if not fresh:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Lacks)
        except (FileNotFoundError, msgspec.DecodeError):
            pass  # not asked yet, or written by a process that was killed
    if tell is not None:
        tell(f"asking {target.name} what it takes; this is done once")
    with connect(target) as connection:
        found = lacking(target, asking(connection))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    part.replace(path)
    return found


def lacking(target: Target, ask: Ask) -> Lacks:
    """What a target lacks, by its answers."""
    backend = target.backend
    features = list(FEATURES[backend].items())
    answers = ask([make() for _, make in features])
    avoided = frozenset(
        [name for (name, _), answer in zip(features, answers, strict=True) if answer != TAKEN]
    )
    types = refusals(
        ask, [elements()], lambda found: Trial(holding(found), avoided=avoided), _dtype
    )
    simplest = elements()[0]
    if simplest in types:
        raise UserError(f"target {target.name!r} takes no program: {types[simplest]}")
    missing = [
        Lack("type", str(element), why)
        for element, why in types.items()
        if isinstance(element, Scalar) or element.scalar not in types
    ]
    missing += _constructs(ask, avoided)
    known = [
        form
        for form in forms(backend)
        if not types.keys() & {*form.instance.operands, form.instance.result}
    ]
    refused = refusals(
        ask,
        groups(known, _GROUP),
        lambda found: spelled_so(found, backend, avoided),
        lambda form: form.named,
    )
    ops, spelled = _ops(known, refused)
    if any(array_texts(form, backend) for form in array_forms()):
        layers, arrays = _layers(ask, backend, avoided | spelled)
    else:  # they become kernels of ops that were asked for
        layers, arrays = _kernels({lack.name: lack for lack in ops}), frozenset[str]()
    return Lacks((*missing, *ops, *layers), tuple(sorted(avoided | spelled | arrays)))


def _dtype(element: Element) -> frozenset[str]:
    return frozenset((scalar_of(element).dtype,))


def _constructs(ask: Ask, avoided: frozenset[str]) -> Iterator[Lack]:
    asked = [
        (at, Trial(one, avoided=avoided)) for at, found in constructs().items() for one in found
    ]
    told: dict[tuple[str, str], str] = {}
    for (at, _), (reason, detail) in zip(asked, ask([trial for _, trial in asked]), strict=True):
        if reason in REFUSED:
            told.setdefault(at, said((reason, detail)))
    for (kind, name), why in told.items():
        yield Lack(kind, name, why)


def _ops(known: list[Form], refused: dict[Form, str]) -> tuple[list[Lack], frozenset[str]]:
    """The ops that no spelling has at some typing, and the spellings to avoid of those that another
    one has."""
    by_typing: dict[tuple[str, str], list[Form]] = {}
    for form in known:
        by_typing.setdefault((form.op, form.typing), []).append(form)
    avoided: set[str] = set()
    for listed in by_typing.values():
        taken = [form for form in listed if form not in refused]
        if any(not form.lane for form in taken):
            avoided |= {avoidable(form.op, form.text) for form in listed if form in refused}
    typings: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for (op, typing), listed in by_typing.items():
        batch = [form for form in listed if not form.lane]
        usable = [form for form in batch if avoidable(op, form.text) not in avoided] or batch
        failing = [form for form in usable if form in refused]
        if failing:
            typings.setdefault(op, []).append(typing)
            reasons.setdefault(op, refused[failing[0]])
    missing = [Lack("op", op, reasons[op], tuple(found)) for op, found in typings.items()]
    return missing, frozenset(avoided)


def _layers(ask: Ask, backend: str, avoided: frozenset[str]) -> tuple[list[Lack], frozenset[str]]:
    """The layers whose ops on whole arrays are refused, and the spellings to avoid of others."""
    asked: list[tuple[ArrayForm, str]] = []
    for form in array_forms():
        asked += [(form, text) for text in array_texts(form, backend)]
    trials = [array_trial(form, text, backend, avoided) for form, text in asked]
    refused: dict[str, str] = {}
    spelled: set[str] = set()
    taken: set[ArrayForm] = set()
    for (form, text), (reason, detail) in zip(asked, ask(trials), strict=True):
        if reason not in REFUSED:
            taken.add(form)
        else:
            refused.setdefault(form.op, said((reason, detail)))
            spelled.add(avoidable(form.op, text))
    whole = {form.op for form in array_forms() if form not in taken}
    missing = [
        Lack("layer", name, refused[gone[0]])
        for name, ops in layer_ops().items()
        if (gone := sorted(ops & whole))
    ]
    return missing, frozenset([one for one in spelled if one.split(":")[0] not in whole])


def _kernels(ops: Mapping[str, Lack]) -> list[Lack]:
    """The layers whose kernels hold an op that is missing."""
    gone: dict[str, Lack] = {}
    for form in array_forms():
        used = {statement.op for statement in statements(to_kernels(form.program))}
        for name in sorted(used & ops.keys()):
            gone.setdefault(form.op, ops[name])
    return [
        Lack("layer", name, f"it needs {gone[needed[0]]}")
        for name, found in layer_ops().items()
        if (needed := sorted(found & gone.keys()))
    ]


def _kept(target: Target) -> Path:
    """Where the answers of a target are kept: they hold for these rows and these versions."""
    rows = [(op.name, op.signature, sorted(op.spell.items())) for op in OPS.values()]
    arrays = [(op.name, sorted(op.spell.items())) for op in ARRAY_OPS.values()]
    tried = [print_program(program) for found in constructs().values() for program in found]
    said = msgspec.json.encode(
        [
            PROBE_VERSION,
            GRAMMAR_VERSION,
            rows,
            arrays,
            tried,
            list(LAYERS),
            target.python,
            target.versions,
        ]
    )
    digest = hashlib.blake2b(said, digest_size=8).hexdigest()
    return cache_folder() / "probes" / f"{target.backend}-{digest}.json"
