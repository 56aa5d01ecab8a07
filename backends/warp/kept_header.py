"""The precompiled header of Warp's builtins, kept in the user's cache folder from start to start.

Making it takes a second or two. A kept one belongs to a version of Warp at a place, to flags and to
a processor, which its name has a digest of; the name also has one of its content. Clang itself
refuses one whose headers have changed since. One that is not whole or not accepted is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from backends.tricks import taken

NAME = "kept_header"

_DIGEST = 16  # bytes


def folder() -> Path:
    """The user's cache folder for headers: `$XDG_CACHE_HOME/irgen/warp` or below `~/.cache`."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(root) if os.path.isabs(root) else Path.home() / ".cache"
    return base / "irgen" / "warp"


def provide(
    target: Path,
    parts: tuple[str, ...],
    make: Callable[[Path], Path],
    accepts: Callable[[Path], bool],
) -> None:
    """Put the header into a file.

    `parts` are what it depends on; `make` makes one in an empty folder and says where, and
    `accepts` whether the compiler takes one. Where the cache cannot be read or written, a header is
    made as if there were none.

    Raises:
        OSError: it cannot be made.
    """
    if not taken(NAME):
        _made(target, make)
        return
    try:
        cache = folder()
    except RuntimeError:  # no home
        _made(target, make)
        return
    key = _digest("\0".join((*parts, platform.machine(), platform.processor())).encode())
    if _copied(cache, key, target) and accepts(target):
        return
    _made(target, make)
    with contextlib.suppress(OSError):
        _keep(cache, key, target.read_bytes())


def _made(target: Path, make: Callable[[Path], Path]) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as place:
        make(Path(place)).replace(target)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=_DIGEST).hexdigest()


def _copied(cache: Path, key: str, target: Path) -> bool:
    """Whether a whole header of that key was in the cache; it is in the target then."""
    try:
        for path in sorted(cache.glob(f"{key}-*.pch")):
            content = path.read_bytes()
            if path.name == f"{key}-{_digest(content)}.pch":
                target.write_bytes(content)
                return True
    except OSError:
        return False
    return False


def _keep(cache: Path, key: str, content: bytes) -> None:
    """Add a header to the cache in one step, and take the others of its key away."""
    cache.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=cache, suffix=".partial")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        path = cache / f"{key}-{_digest(content)}.pch"
        os.replace(partial, path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise
    for old in cache.glob(f"{key}-*.pch"):
        if old != path:
            old.unlink(missing_ok=True)
