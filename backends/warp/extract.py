"""Extract: the text and the Python source of a kernel that a user wrote, which stays untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backends.base import BackendError, Capture, Unit
from backends.warp.capture import check, level_names, read

UserKernel = Callable[..., object]
"""What `@wp.kernel` gives: a `wp.Kernel`, which type checkers take for the decorated function."""


def extract(kernel: UserKernel, levels: frozenset[str]) -> Capture:
    """Capture a kernel and the functions it reaches, under its own options and `wp.config`.

    The kernel's module keeps its hash, its loaded binaries and its state. Functions are listed
    callees first, the kernel last. Their symbols carry the number that Warp gave them in this
    process, as in the binary that a launch compiles.

    Raises:
        BackendError: Warp cannot be used here, or the kernel is generic and has not exactly one
            overload.
        TypeError: it is no Warp kernel.
        ValueError: a level is not one of `LEVELS`.
    """
    names = level_names(levels)
    check()
    from backends.warp import private

    concrete = _concrete(_kernel(kernel))
    with private.session(private.QUIET), private.copied(concrete) as loaded:
        functions = dict.fromkeys(function.key for function in private.called(concrete))
        units = [Unit(name, "function") for name in functions]
        units.append(Unit(concrete.key, "kernel"))
        return read(loaded, units, names, shared=False)


def python_source(kernel: UserKernel) -> str:
    """Return the Python text of a kernel and of the functions it reaches, callees first.

    Raises:
        BackendError: Warp cannot be used here.
        TypeError: it is no Warp kernel.
    """
    check()
    from backends.warp import private

    found = _kernel(kernel)
    adjoints = [function.adj for function in private.called(found)] + [found.adj]
    texts = dict.fromkeys(adjoint.source.strip("\n") for adjoint in adjoints)
    return "\n\n\n".join(texts) + "\n"


def _kernel(kernel: UserKernel) -> Any:
    import warp as wp

    if isinstance(kernel, wp.Kernel):
        return kernel
    name = getattr(kernel, "__name__", type(kernel).__name__)
    raise TypeError(f"{name!r} is not a Warp kernel: decorate it with @wp.kernel")


def _concrete(kernel: Any) -> Any:
    if not kernel.is_generic:
        return kernel
    overloads = list(kernel.overloads.values())
    if len(overloads) == 1:
        return overloads[0]
    raise BackendError(
        f"kernel {kernel.key!r} is generic and has {len(overloads)} overloads: "
        "pass the one that wp.overload(kernel, types) returns"
    )
