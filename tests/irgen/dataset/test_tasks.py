"""The table of tasks: columns that exist, texts that give nothing away, and what is refused."""

from __future__ import annotations

import string

import msgspec
import pytest

from backends.registry import BACKENDS
from irgen.dataset.columns import Row, columns
from irgen.dataset.settings import Settings
from irgen.dataset.training.tasks import TASKS, Task, choose, find_task, lacking, without_source
from irgen.errors import UserError

Made = tuple[Settings, list[Row]]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_takes_columns_that_there_are(task: Task, made: Made) -> None:
    present = {column.name: column for column in columns(made[0])}
    assert {task.given, task.wanted} <= set(present)
    assert {present[name].kind for name in (task.given, task.wanted)} == {"text"}
    owners = {name.split("_")[0] for name in (task.given, task.wanted)} & set(BACKENDS)
    assert set(task.backends) == owners
    adjoint = "_backward" in task.wanted
    assert {judged for _, judged in task.judged} == {"gradient" if adjoint else "forward"}
    assert lacking(task, made[0]) == ""


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_prompt_is_the_instruction_and_the_text(task: Task) -> None:
    assert task.instruction[-1] == "."
    assert set(task.instruction) <= set(string.ascii_letters + string.digits + " +.,")
    assert task.prompt("the text\n") == f"{task.instruction}\n\nthe text\n"


@pytest.mark.parametrize("column", ["warp_cpp_forward", "warp_cuda_forward"])
def test_what_source_is_found_from_does_not_quote_it(column: str, made: Made) -> None:
    tested = 0
    for row in made[1]:
        text = row[column]
        clean = without_source(text)
        kept = iter(text.splitlines())
        assert all(line in kept for line in clean.splitlines())
        assert "<L " not in clean
        for line in row["warp_python"].splitlines():
            words = line.strip()
            if len(words) > 12 and f"// {words}" in text:
                tested += 1
                assert words not in clean
        dropped = set(text.splitlines()) - set(clean.splitlines())
        assert all(line.lstrip().startswith("// ") for line in dropped)
    assert tested > 50


def test_only_tasks_to_find_the_source_are_cleaned() -> None:
    assert {name for name, task in TASKS.items() if task.clean} == {
        "cpp_to_python",
        "cuda_to_python",
    }


def _less(settings: Settings, backends: list[str], **levels: list[str]) -> Settings:
    return msgspec.structs.replace(settings, backends=backends, levels=levels)


def test_all_is_what_the_data_set_can_serve(made: Made) -> None:
    settings = made[0]
    assert [task.name for task in choose(["all"], settings)] == list(TASKS)
    assert [task.name for task in choose(["jax_to_warp", "jax_to_warp"], settings)] == [
        "jax_to_warp"
    ]
    warp = _less(settings, ["warp"], warp=["cpp"])
    assert {task.name for task in choose(["all"], warp)} == {
        "python_to_cpp",
        "cpp_to_adjoint",
        "cpp_to_python",
        "description_to_warp",
        "warp_to_description",
    }


@pytest.mark.parametrize(
    ("names", "backends", "levels", "message"),
    [
        (["jax_to_wrap"], ["warp"], ["cpp"], "unknown task 'jax_to_wrap': did you mean 'jax_to_wa"),
        (
            ["python_to_jaxpr"],
            ["warp"],
            ["cpp"],
            "python_to_jaxpr takes rows of jax, and the data set has warp$",
        ),
        (
            ["cpp_to_python", "python_to_cuda"],
            ["warp"],
            ["cpp"],
            "python_to_cuda takes warp_cuda_forward, and the data set has levels warp: cpp$",
        ),
        (["python_to_cpp"], ["warp"], [], "the data set has levels warp: none$"),
    ],
)
def test_what_cannot_be_served(
    names: list[str], backends: list[str], levels: list[str], message: str, made: Made
) -> None:
    with pytest.raises(UserError, match=message):
        choose(names, _less(made[0], backends, warp=levels))


def test_a_task_by_name() -> None:
    assert find_task("warp_to_jax").backends == ("warp", "jax")
