"""Text of JAX source with the locations that capture leaves out, all by public routes.

Capture shares lowerings between modules and drops locations; here each source is traced and
lowered alone, so that every location is one of its own file.
"""

from __future__ import annotations

from backends.base import Direction, Rendered
from backends.jax.attempts import Failure, attempt, load_jax
from backends.jax.capture import checked, session
from backends.jax.traced import trace

LEVELS = ("stablehlo", "hlo_optimized")
"""The levels whose text can have locations."""


def file_name(source: Rendered) -> str:
    """The name of the file that locations in a source have."""
    return f"<{source.entry}>"


def located(source: Rendered, levels: frozenset[str]) -> dict[tuple[str, Direction], str]:
    """Text of a source by level and direction, as captured but for its locations.

    Of `levels` only those in `LEVELS` are made. What does not trace or compile is left out.
    BackendError where JAX cannot be used.
    """
    checked()
    jax = load_jax()
    texts: dict[tuple[str, Direction], str | Failure] = {}
    with session(shared=False), jax.enable_x64(source.wide):
        # A function that was traced for another source keeps the lines of that one.
        jax.clear_caches()
        for direction, stage in trace(source).items():
            if isinstance(stage, Failure):
                continue
            lowered = attempt(stage.lower, "compile_error")
            if isinstance(lowered, Failure):
                continue
            if "stablehlo" in levels:
                texts["stablehlo", direction] = attempt(
                    lambda lowered=lowered: lowered.as_text(debug_info=True), "compile_error"
                )
            if "hlo_optimized" in levels:
                texts["hlo_optimized", direction] = attempt(
                    lambda lowered=lowered: _optimized(lowered), "compile_error"
                )
    return {key: text for key, text in texts.items() if isinstance(text, str)}


def _optimized(lowered: object) -> str:
    compiled = lowered.compile()  # pyright: ignore[reportAttributeAccessIssue]
    return compiled.runtime_executable().hlo_modules()[0].to_string()
