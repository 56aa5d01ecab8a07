"""The plain loop that Warp text capture is timed against: what one would write without irgen."""

from __future__ import annotations

import importlib.util
from hashlib import sha256
from pathlib import Path

import warp as wp
from warp._src.context import ModuleBuilder


def plain_capture(source: str, folder: Path) -> tuple[str, str]:
    """Write `source` to a file in `folder`, import it, and return its (C++, CUDA) module text.

    One build serves both targets, as in `irgen`; Warp itself builds once for each.
    """
    name = f"plain_{sha256(source.encode()).hexdigest()[:16]}"
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    module = wp.get_module(name)
    module.options |= {"block_dim": 1, "strip_hash": True}
    options = module.resolve_options(wp.config) | {"output_arch": None}
    builder = ModuleBuilder(module, options, target="cpu")
    cpp = builder.codegen("cpu")
    builder.options["block_dim"] = 256
    return cpp, builder.codegen("cuda")
