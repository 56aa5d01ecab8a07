"""What a target lacks is found by asking, kept, and left out of what is drawn for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from backends.registry import BACKENDS
from backends.style import Style
from backends.warp.spell import AVOIDABLE
from grammar.config import Grammar
from grammar.presets import GRAMMARS
from grammar.types import BF16, F32, element_shape
from irgen.errors import UserError
from irgen.service import draw
from irgen.targets import probe as probing
from irgen.targets.asking import TAKEN, Answer, Ask, asking, connect, refusals
from irgen.targets.environment import installed
from irgen.targets.lacks import Lack, Lacks, restricted
from irgen.targets.layer_trials import array_forms, layer_ops
from irgen.targets.probe import lacking, probe
from irgen.targets.target import Target
from irgen.targets.trials import FEATURES, PLAIN, Trial, constructs, elements, forms, holding

OLD: dict[str, tuple[str, ...]] = {
    "warp": (
        "wp.where",
        ".array[",
        "array2d[",
        "array3d[",
        " if i",
        "wp.erf(",
        "bfloat16",
        "vec4d",
    ),
    "jax": ("jnp.matvec(", "lax.erf(", "jax.nn.softmax(", "float64", "jnp.trunc("),
}
"""Texts that a made-up old release of a backend refuses."""


def refusing(backend: str, words: Sequence[str]) -> Ask:
    """A target that refuses every source with one of these texts."""

    def ask(trials: Sequence[Trial]) -> list[Answer]:
        answers: list[Answer] = []
        for trial in trials:
            rendered = BACKENDS[backend].render(trial.program, trial.style, avoided=trial.avoided)
            found = next((word for word in words if word in rendered.python), "")
            answers.append(("compile_error", f"what is {found}?") if found else TAKEN)
        return answers

    return ask


@cache
def old(backend: str) -> Lacks:
    return lacking(Target("old", backend, "python", ()), refusing(backend, OLD[backend]))


def test_what_is_refused_in_every_spelling_is_missing() -> None:
    missing = {(lack.kind, lack.name): lack for lack in old("warp").missing}
    assert ("type", "bf16") in missing
    assert ("type", "bf16x3x3") not in missing  # it goes with its scalar
    assert ("type", "f64x4") in missing
    assert missing["op", "erf"].typings == ("f32 -> f32", "f64 -> f64", "f16 -> f16")
    assert missing["op", "erf"].reason == "what is wp.erf(?"
    assert ("op", "gelu_erf") in missing
    assert ("op", "select") not in missing


def test_what_has_another_spelling_is_spelled_otherwise() -> None:
    avoided = old("warp").avoided
    assert set(AVOIDABLE) <= set(avoided)
    assert "select: b if a else c" in avoided
    assert "matvec: jnp.matvec(a, b)" in old("jax").avoided


def test_array_ops_are_missing_with_the_layers_made_of_them() -> None:
    missing = {lack.name: lack for lack in old("jax").missing if lack.kind == "layer"}
    assert {"softmax", "attention", "heads"} <= set(missing)
    assert "linear" not in missing
    assert "softmax" in layer_ops()["softmax"]
    assert {form.op for form in array_forms()} >= layer_ops()["attention"]


@pytest.mark.parametrize("backend", ["warp", "jax"])
@pytest.mark.parametrize("name", ["compound", "vector", "ml", "program", "arithmetic"])
def test_nothing_drawn_for_a_target_has_what_it_lacks(backend: str, name: str) -> None:
    lacks = old(backend)
    grammar = restricted(GRAMMARS[name], lacks)
    drawn = [draw(grammar, 0, index) for index in range(60)]
    sources = [
        BACKENDS[backend].render(one.program, one.style, avoided=frozenset(lacks.avoided)).python
        for one in drawn
    ]
    for word in OLD[backend]:
        assert [index for index, text in enumerate(sources) if word in text] == [], word


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_a_target_that_takes_all_lacks_nothing(backend: str) -> None:
    lacks = lacking(Target("new", backend, "python", ()), refusing(backend, ()))
    assert lacks == Lacks()
    assert not lacks
    assert lacks.lines() == []
    assert all(restricted(one, lacks) is one for one in GRAMMARS.values())


def _nothing(item: int) -> frozenset[str]:
    return frozenset()


def test_a_crash_is_a_bug_and_no_lack() -> None:
    def ask(trials: Sequence[Trial]) -> list[Answer]:
        return [("crashed", "SIGSEGV")] * len(trials)

    def made(items: Sequence[int]) -> Trial:
        return Trial(holding([F32]))

    assert refusals(ask, [[1, 2, 3], [4]], made, _nothing) == {}


@pytest.mark.parametrize("bad", [set[int](), {0}, {7, 8}, set(range(20))])
def test_every_item_of_a_group_that_is_refused_is_found(bad: set[int]) -> None:
    groups = [list(range(11)), list(range(11, 20))]
    asked: list[Sequence[int]] = []

    def made(items: Sequence[int]) -> Trial:
        asked.append(items)
        return Trial(holding([F32]))

    def ask(trials: Sequence[Trial]) -> list[Answer]:
        recent = asked[-len(trials) :]
        return [("compile_error", "no. Note") if bad & {*items} else TAKEN for items in recent]

    assert refusals(ask, groups, made, _nothing) == dict.fromkeys(sorted(bad), "no")


def test_what_a_message_names_is_asked_for_first() -> None:
    words = ["sin", "erf", "cos", "erfc", "tan", "exp", "log", "erf"]
    asked: list[list[str]] = []

    def made(items: Sequence[tuple[int, str]]) -> Trial:
        asked.append([word for _, word in items])
        return Trial(holding([F32]))

    def ask(trials: Sequence[Trial]) -> list[Answer]:
        recent = asked[-len(trials) :]
        return [
            ("compile_error", "no function wp.erf") if "erf" in one else TAKEN for one in recent
        ]

    group = list(enumerate(words))
    found = refusals(ask, [group], made, lambda item: frozenset((item[1],)))
    assert list(found) == [(1, "erf"), (7, "erf")]
    assert asked == [words, ["erf"], ["erf"], ["sin", "cos", "erfc", "tan", "exp", "log"]]


def test_a_target_that_takes_nothing_is_refused() -> None:
    ask = refusing("warp", ("import",))
    with pytest.raises(UserError, match=r"^target 'old' takes no program: what is import"):
        lacking(Target("old", "warp", "python", ()), ask)


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_the_installed_backend_takes_trials_and_refuses_what_is_no_source(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = [program for found in constructs().values() for program in found]
    trials = [Trial(program) for program in programs]
    trials += [Trial(holding([F32])), *[make() for make in FEATURES[backend].values()]]
    with connect(installed(backend)) as connection:
        ask = asking(connection)
        assert list(ask(trials)) == [TAKEN] * len(trials)
        render = type(BACKENDS[backend]).render

        def misspelled(*given: object, **options: object) -> object:
            made = render(*given, **options)  # pyright: ignore[reportCallIssue, reportArgumentType]
            word = {"warp": "wp.tid", "jax": "jnp."}[backend]
            return type(made)(
                *[
                    getattr(made, field).replace(word, f"{word}nothing")
                    if field == "python"
                    else getattr(made, field)
                    for field in made.__dataclass_fields__
                ]
            )

        monkeypatch.setattr(type(BACKENDS[backend]), "render", misspelled)
        ((reason, detail),) = ask([Trial(constructs()["control", "for"][1])])
    assert reason in ("source_error", "compile_error", "execution_error")
    assert "nothing" in detail


def test_a_probe_is_kept_for_the_target_and_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Lacks((Lack("op", "erf", "no", ("f32 -> f32",)),), ("wp.where",))
    asked: list[str] = []

    def fake(target: Target, ask: Ask) -> Lacks:
        asked.append(target.name)
        return found

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(probing, "lacking", fake)
    one = Target("one", "warp", "/one/python", (("warp-lang", "1.4.2"),))
    other = Target("other", "warp", "/one/python", (("warp-lang", "1.5.0"),))
    told: list[str] = []
    assert probe(one, told.append) == probe(one, told.append) == found
    assert asked == ["one"]
    assert told == ["asking one what it takes; this is done once"]
    probe(other)
    probe(one, fresh=True)
    assert asked == ["one", "other", "one"]
    (kept, _) = sorted((tmp_path / "irgen" / "targets" / "probes").iterdir())
    for path in kept.parent.iterdir():
        path.write_text("{")
    assert probe(one) == found
    assert asked == ["one", "other", "one", "one"]


def lacks_of(*missing: Lack) -> Lacks:
    return Lacks(missing)


def test_a_type_goes_with_what_the_generator_needs_of_it() -> None:
    grammar = GRAMMARS["compound"]
    found = restricted(grammar, lacks_of(Lack("op", "clamp", "no", ("f16, f16, f16 -> f16",))))
    assert found.types == {**grammar.types, "f16": 0}
    assert "clamp" not in found.ops
    found = restricted(grammar, lacks_of(Lack("op", "erf", "no", ("f16 -> f16",))))
    assert (found.types, found.ops) == (grammar.types, {"erf": 0})


def test_a_form_goes_with_its_32_bit_type() -> None:
    found = restricted(GRAMMARS["compound"], lacks_of(Lack("type", "f32x3", "no")))
    assert (found.forms["vector"], found.forms["matrix"]) == (0, 1)


def test_what_a_grammar_does_not_weigh_changes_nothing() -> None:
    missing = lacks_of(
        Lack("type", "bf16", "no"),
        Lack("op", "inverse", "no", ("f32x2x2 -> f32x2x2",)),
        Lack("control", "atomic", "no"),
    )
    assert restricted(GRAMMARS["unary"], missing) is GRAMMARS["unary"]


def test_constructs_go_by_the_field_that_weighs_them() -> None:
    missing = lacks_of(
        Lack("control", "while", "no"),
        Lack("exits", "exits", "no"),
        Lack("ranks", "3", "no"),
        Lack("accesses", "gathered", "no"),
    )
    found = restricted(GRAMMARS["compound"], missing)
    assert (found.control["while"], found.exits, found.ranks["3"]) == (0, 0, 0)
    assert found.accesses["gathered"] == 0
    assert found.control["for"] == GRAMMARS["compound"].control["for"]


def test_layers_go_from_grammars_that_name_none() -> None:
    found = restricted(GRAMMARS["ml"], lacks_of(Lack("layer", "heads", "no")))
    assert found.layers["heads"] == 0
    assert found.layers["linear"] > 0


def test_what_no_program_does_without_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^no program does without .*: op select \(bool, f32"):
        restricted(
            GRAMMARS["unary"], lacks_of(Lack("op", "select", "no", ("bool, f32, f32 -> f32",)))
        )
    only = Grammar(name="mine", types={"f64": 1})
    with pytest.raises(
        UserError, match=r"^grammar 'mine' is left without types there: type f64: no$"
    ):
        restricted(only, lacks_of(Lack("type", "f64", "no")))
    with pytest.raises(UserError, match=r"^grammar 'program' cannot be drawn: shape program: no$"):
        restricted(GRAMMARS["program"], lacks_of(Lack("shape", "program", "no")))


def test_lacks_are_listed_a_line_each() -> None:
    lacks = Lacks(
        (
            Lack("op", "erf", "no", ("f32 -> f32", "f64 -> f64")),
            Lack("control", "while", "never"),
            Lack("exits", "exits", "none"),
        ),
        ("wp.where",),
    )
    assert lacks.lines() == [
        "op erf (f32 -> f32 and 1 more): no",
        "while: never",
        "exits: none",
        "spelled otherwise: wp.where",
    ]


@pytest.mark.parametrize("backend", ["warp", "jax"])
def test_every_spelling_of_every_op_is_tried_somewhere(backend: str) -> None:
    tried = {(form.op, form.text) for form in forms(backend)}
    from grammar.ops import OPS

    for op in OPS.values():
        for instance in op.instances:
            if op.supported(instance, backend):
                texts = op.spellings(instance, backend, lane=True)
                assert {(op.name, text) for text in texts} <= tried


def test_every_element_type_is_tried() -> None:
    found = elements()
    assert len(found) == len(set(found))
    assert found[0] == F32
    assert {element_shape(element) for element in found if str(element).startswith("bf16")} == {
        (),
        (2,),
        (3,),
        (4,),
        (2, 2),
        (3, 3),
        (4, 4),
    }
    assert BF16 in found


def _where(avoided: frozenset[str]) -> Callable[[Style], str]:
    trial = FEATURES["warp"]["wp.where"]()

    def text(style: Style) -> str:
        given = trial.avoided | avoided
        return BACKENDS["warp"].render(trial.program, style, avoided=given).python

    return text


def test_avoided_constructs_of_warp_have_other_words() -> None:
    assert "wp.where(inside, a, b)" in _where(frozenset())(PLAIN)
    assert "wp.select(inside, b, a)" in _where(frozenset(("wp.where",)))(PLAIN)
    subscripted = Style(idiom=4)
    assert "wp.array[wp.float32]" in _where(frozenset())(subscripted)
    assert "wp.array(dtype=wp.float32)" in _where(frozenset(("wp.array[...]",)))(subscripted)
