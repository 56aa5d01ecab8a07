"""The tasks a data set can train for: one table of what is given, what is wanted, and how it is
asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from irgen.dataset.columns import columns
from irgen.dataset.settings import Settings
from irgen.errors import UserError, nearest

Judged = Literal["forward", "gradient"]


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    - `given` and `wanted`: the columns whose texts are prompt and completion.
    - `instruction`: what the prompt begins with; an empty line parts it from the text.
    - `judged`: per backend, the verdict on which the truth of the pair rests.
    - `clean`: what is done to the given text first; it is as in the row where there is none.
    """

    name: str
    given: str
    wanted: str
    instruction: str
    judged: tuple[tuple[str, Judged], ...]
    clean: Callable[[str], str] | None = None

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that a data set must have."""
        return tuple([backend for backend, _ in self.judged])

    def prompt(self, text: str) -> str:
        """The prompt that gives a text."""
        return f"{self.instruction}\n\n{text if self.clean is None else self.clean(text)}"


_QUOTED = re.compile(r"^[ \t]*// (?:.*<L \d+>|<\w+>:\d+)[ \t]*\n", re.MULTILINE)


def without_source(text: str) -> str:
    """The C++ or CUDA that Warp generates, without the comments that quote the Python source.

    Warp writes each line of the source above what it becomes: who is to find the source from the
    code would only have to copy it.
    """
    return _QUOTED.sub("", text)


def _warp(
    name: str,
    given: str,
    wanted: str,
    instruction: str,
    judged: Judged = "forward",
    clean: Callable[[str], str] | None = None,
) -> Task:
    pair = f"warp_{given}", f"warp_{wanted}"
    return Task(name, *pair, instruction, (("warp", judged),), clean)


def _jax(name: str, given: str, wanted: str, instruction: str, judged: Judged = "forward") -> Task:
    return Task(name, f"jax_{given}", f"jax_{wanted}", instruction, (("jax", judged),))


_BOTH: tuple[tuple[str, Judged], ...] = (("warp", "forward"), ("jax", "forward"))

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _warp(
            "python_to_cpp",
            "python",
            "cpp_forward",
            "Write the C++ that NVIDIA Warp generates for the forward pass of these kernels.",
        ),
        _warp(
            "python_to_cuda",
            "python",
            "cuda_forward",
            "Write the CUDA that NVIDIA Warp generates for the forward pass of these kernels.",
        ),
        _jax(
            "python_to_jaxpr",
            "python",
            "jaxpr_forward",
            "Write the jaxpr that JAX traces from this function.",
        ),
        _jax(
            "python_to_stablehlo",
            "python",
            "stablehlo_forward",
            "Write the StableHLO module that JAX lowers this function to.",
        ),
        _warp(
            "cpp_to_adjoint",
            "cpp_forward",
            "cpp_backward",
            "Write the C++ of the adjoint that NVIDIA Warp generates for this code.",
            "gradient",
        ),
        _warp(
            "cuda_to_adjoint",
            "cuda_forward",
            "cuda_backward",
            "Write the CUDA of the adjoint that NVIDIA Warp generates for this code.",
            "gradient",
        ),
        _jax(
            "jaxpr_to_adjoint",
            "jaxpr_forward",
            "jaxpr_backward",
            "Write the jaxpr that pulls a cotangent of the results of this jaxpr back to its "
            "inputs.",
            "gradient",
        ),
        _jax(
            "stablehlo_to_adjoint",
            "stablehlo_forward",
            "stablehlo_backward",
            "Write the StableHLO module that pulls a cotangent of the results of this module back "
            "to its inputs.",
            "gradient",
        ),
        _jax(
            "hlo_to_optimized",
            "hlo_forward",
            "hlo_optimized_forward",
            "Write the HLO module that XLA makes of this one by its optimizations for the CPU.",
        ),
        _jax(
            "adjoint_hlo_to_optimized",
            "hlo_backward",
            "hlo_optimized_backward",
            "Write the HLO module that XLA makes of this one by its optimizations for the CPU.",
            "gradient",
        ),
        _warp(
            "cpp_to_python",
            "cpp_forward",
            "python",
            "Write the NVIDIA Warp kernels in Python that this C++ was generated from.",
            clean=without_source,
        ),
        _warp(
            "cuda_to_python",
            "cuda_forward",
            "python",
            "Write the NVIDIA Warp kernels in Python that this CUDA was generated from.",
            clean=without_source,
        ),
        _jax(
            "jaxpr_to_python",
            "jaxpr_forward",
            "python",
            "Write a Python function that JAX traces to this jaxpr.",
        ),
        _jax(
            "stablehlo_to_python",
            "stablehlo_forward",
            "python",
            "Write a Python function that JAX lowers to this StableHLO module.",
        ),
        Task(
            "warp_to_jax",
            "warp_python",
            "jax_python",
            "Write a JAX function that computes what these NVIDIA Warp kernels do.",
            _BOTH,
        ),
        Task(
            "jax_to_warp",
            "jax_python",
            "warp_python",
            "Write NVIDIA Warp kernels that compute what this JAX function does.",
            _BOTH,
        ),
        Task(
            "description_to_warp",
            "description",
            "warp_python",
            "Write NVIDIA Warp kernels in Python for this description.",
            (("warp", "forward"),),
        ),
        Task(
            "description_to_jax",
            "description",
            "jax_python",
            "Write a JAX function in Python for this description.",
            (("jax", "forward"),),
        ),
        Task(
            "warp_to_description",
            "warp_python",
            "description",
            "Describe in plain English what these NVIDIA Warp kernels do.",
            (("warp", "forward"),),
        ),
        Task(
            "jax_to_description",
            "jax_python",
            "description",
            "Describe in plain English what this JAX function does.",
            (("jax", "forward"),),
        ),
    )
}
"""Tasks by name."""


def find_task(name: str) -> Task:
    """The task of a name; UserError says which ones there are."""
    task = TASKS.get(name)
    if task is None:
        raise UserError(f"unknown task {name!r}: {nearest(name, TASKS)}")
    return task


def lacking(task: Task, settings: Settings) -> str:
    """Why a data set cannot serve a task, in one line; "" where it can."""
    without = [backend for backend in task.backends if backend not in settings.backends]
    if without:
        has = ", ".join(settings.backends)
        return f"{task.name} takes rows of {' and '.join(without)}, and the data set has {has}"
    present = {column.name for column in columns(settings)}
    missing = [column for column in (task.given, task.wanted) if column not in present]
    if missing:
        kept = "; ".join(
            [f"{name}: {', '.join(settings.levels[name]) or 'none'}" for name in task.backends]
        )
        return f"{task.name} takes {' and '.join(missing)}, and the data set has levels {kept}"
    return ""


def choose(names: Iterable[str], settings: Settings) -> list[Task]:
    """The tasks of these names, or all that a data set can serve for "all".

    UserError where a name is unknown, or the data set cannot serve it.
    """
    chosen: dict[str, Task] = {}
    for name in names:
        if name == "all":
            found = [task for task in TASKS.values() if not lacking(task, settings)]
        else:
            found = [find_task(name)]
            reason = lacking(found[0], settings)
            if reason:
                raise UserError(reason)
        chosen |= {task.name: task for task in found}
    return list(chosen.values())
