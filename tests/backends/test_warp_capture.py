"""Warp capture: text per unit and direction, honest statuses, and nothing left behind."""

import gc
import hashlib
import importlib.util
import linecache
import os
import pickle
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import warp as wp
from warp._src import codegen, context

from backends.base import REASONS, Artifact, BackendError, Capture, Rendered, Unit
from backends.warp import private
from backends.warp.capture import COLLECT_EVERY, LEVELS, capture, check
from backends.warp.extract import extract, python_source

BOTH = frozenset({"cpp", "cuda"})

STENCIL = """\
import warp as wp


@wp.func
def halve(x: float):
    return x * 0.5


@wp.func
def blend(x: float, y: float):
    total = float(0.0)
    for weight in range(3):
        total += halve(x) * float(weight)
    if total > y:
        total = halve(y)
    return total


@wp.kernel
def stencil(a: wp.array(dtype=float), b: wp.array(dtype=float)):
    i = wp.tid()
    b[i] = blend(a[i], b[i])


@wp.kernel(enable_backward=False)
def clear(b: wp.array(dtype=float)):
    i = wp.tid()
    b[i] = 0.0


def run(a: wp.array, b: wp.array) -> None:
    wp.launch(clear, 4, [b])
    wp.launch(stencil, 4, [a, b])


if __name__ == "__main__":
    run(wp.zeros(4, dtype=float), wp.zeros(4, dtype=float))
"""


def rendered(python: str, **units: str) -> Rendered:
    """A source whose units are given as name=kind."""
    kinds = tuple(Unit(name, kind) for name, kind in units.items())  # type: ignore[arg-type]
    return Rendered("warp", python, kinds[-1].name, kinds, (), False)


def one_kernel(name: str, statement: str) -> Rendered:
    text = (
        "import warp as wp\n\n\n@wp.kernel\n"
        f"def {name}(a: wp.array(dtype=float)):\n    i = wp.tid()\n    {statement}\n"
    )
    return rendered(text, **{name: "kernel"})


STENCIL_SOURCE = rendered(
    STENCIL, halve="function", blend="function", stencil="kernel", clear="kernel", run="program"
)
GOOD = one_kernel("good", "a[i] = wp.sin(a[i])")


def table(found: Capture) -> dict[tuple[str, str, str], Artifact]:
    return {(a.unit, a.level, a.direction): a for a in found.artifacts}


def outcomes(found: Capture) -> set[tuple[str, str]]:
    return {(a.status, a.reason) for a in found.artifacts}


def test_every_unit_is_split_from_the_module_text() -> None:
    (found,) = capture([STENCIL_SOURCE], BOTH)
    artifacts = table(found)
    assert len(artifacts) == len(found.artifacts) == 2 * (5 * 2 + 1)
    signatures = {
        ("halve", "cpp"): ("float32 halve_0(", "void adj_halve_0("),
        ("blend", "cuda"): ("CUDA_CALLABLE wp::float32 blend_0(", "void adj_blend_0("),
        ("stencil", "cpp"): ("stencil_cpu_kernel_forward(", "stencil_cpu_kernel_backward("),
        ("stencil", "cuda"): ("stencil_cuda_kernel_forward(", "stencil_cuda_kernel_backward("),
    }
    for (unit, level), (forward, backward) in signatures.items():
        texts = {d: artifacts[unit, level, d].text or "" for d in ("forward", "backward")}
        module = artifacts["", level, "module"].text or ""
        assert forward in texts["forward"]
        assert backward in texts["backward"]
        assert backward not in texts["forward"]
        for text in texts.values():
            assert text.rstrip("\n") in module
            assert text.count("{") == text.count("}")


def test_statuses_say_why_there_is_no_text() -> None:
    artifacts = table(capture([STENCIL_SOURCE], BOTH)[0])
    absent = {
        (a.unit, a.direction, a.status, a.reason) for a in artifacts.values() if a.text is None
    }
    assert absent == {
        ("clear", "backward", "missing", "adjoint_disabled"),
        ("run", "forward", "missing", "not_a_device_unit"),
        ("run", "backward", "missing", "not_a_device_unit"),
    }
    assert {reason for *_, reason in absent} <= REASONS.keys()


def test_module_option_disables_adjoints_of_functions_too() -> None:
    text = STENCIL.replace(
        "import warp as wp\n",
        'import warp as wp\n\nwp.set_module_options({"enable_backward": False})\n',
        1,
    )
    source = rendered(text, halve="function", stencil="kernel")
    artifacts = table(capture([source], frozenset({"cpp"}))[0])
    for unit in ("halve", "stencil"):
        assert artifacts[unit, "cpp", "forward"].status == "ok"
        assert artifacts[unit, "cpp", "backward"].reason == "adjoint_disabled"


def test_only_the_levels_asked_for() -> None:
    (both,) = capture([STENCIL_SOURCE], BOTH)
    for level in LEVELS:
        (found,) = capture([STENCIL_SOURCE], frozenset({level.name}))
        assert set(found.artifacts) == {a for a in both.artifacts if a.level == level.name}
    assert capture([STENCIL_SOURCE], frozenset())[0].artifacts == ()
    with pytest.raises(ValueError, match="unknown Warp level 'ptx': choose from cpp, cuda"):
        capture([], frozenset({"ptx", "cpp"}))


def test_functions_without_a_kernel_have_text() -> None:
    text = STENCIL[: STENCIL.index("@wp.kernel")]
    (found,) = capture([rendered(text, halve="function", blend="function")], BOTH)
    alone = table(found)
    whole = table(capture([STENCIL_SOURCE], BOTH)[0])
    for key in alone:
        if key[0]:
            assert alone[key] == whole[key]
    assert outcomes(found) == {("ok", "")}


def test_text_depends_on_nothing_but_the_source() -> None:
    other = rendered(STENCIL.replace("0.5", "0.25"), halve="function", stencil="kernel")
    first, _ = capture([STENCIL_SOURCE, other], BOTH)
    again, _, last = capture([STENCIL_SOURCE, GOOD, STENCIL_SOURCE], BOTH)
    assert first == again == last


def test_text_ignores_the_configuration_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = capture([STENCIL_SOURCE], BOTH)
    monkeypatch.setattr(wp.config, "enable_backward", False)
    monkeypatch.setattr(wp.config, "max_unroll", 0)
    monkeypatch.setattr(wp.config, "mode", "debug")
    assert capture([STENCIL_SOURCE], BOTH) == expected
    assert (wp.config.enable_backward, wp.config.max_unroll, wp.config.mode) == (False, 0, "debug")


def digest(captures: list[Capture]) -> str:
    return hashlib.sha256(repr(captures).encode()).hexdigest()


@pytest.mark.parametrize("seed", ["0", "1"])
def test_text_is_that_of_other_processes_which_stay_silent(seed: str) -> None:
    script = (
        "import hashlib, pickle, sys\n"
        "from backends.warp.capture import capture\n"
        "sources, levels = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "print(hashlib.sha256(repr(capture(sources, levels)).encode()).hexdigest())\n"
        "from warp._src import context\n"
        "assert context.runtime is None\n"
    )
    root = Path(__file__).parents[2]
    sources = [STENCIL_SOURCE, GOOD]
    levels = frozenset({"cpp"})
    done = subprocess.run(
        [sys.executable, "-c", script, pickle.dumps((sources, levels)).hex()],
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [digest(capture(sources, levels))]
    assert done.stderr == ""


BROKEN = {
    "syntax": "def bad(:\n",
    "import": "import no_such_module_anywhere\n",
    "annotation": "import warp as wp\n\n\n@wp.kernel\ndef bad(a):\n    a[0] = 1.0\n",
    "exit": "raise SystemExit(3)\n",
    "absent": "import warp as wp\n",
}


@pytest.mark.parametrize("python", BROKEN.values(), ids=BROKEN)
def test_a_source_that_does_not_load_harms_no_other(python: str) -> None:
    bad = rendered(python, bad="kernel", main="program")
    before, broken, after = capture([GOOD, bad, GOOD], BOTH)
    assert before == after
    assert outcomes(before) == {("ok", "")}
    assert len(broken.artifacts) == 2 * (2 + 2 + 1)
    assert outcomes(broken) == {("failed", "source_error"), ("missing", "not_a_device_unit")}
    for artifact in broken.artifacts:
        assert artifact.text is None
        assert (artifact.detail != "") == (artifact.status == "failed")
        assert "\n" not in artifact.detail


def test_a_source_that_does_not_compile_harms_no_other() -> None:
    bad = one_kernel("bad", "a[i] = a[i] + 1")
    before, broken, after = capture([GOOD, bad, GOOD], BOTH)
    assert before == after
    assert outcomes(broken) == {("failed", "compile_error")}
    assert len(broken.artifacts) == 6
    for artifact in broken.artifacts:
        assert "Input types must be the same" in artifact.detail
        assert f"{private.SOURCE_NAME}:7" in artifact.detail
        assert "\n" not in artifact.detail


def test_a_generic_kernel_without_types_has_no_text() -> None:
    text = (
        "import warp as wp\n\n\n@wp.kernel\n"
        "def any_type(a: wp.array(dtype=wp.Float)):\n    a[0] = a[1]\n"
    )
    (found,) = capture([rendered(text, any_type="kernel")], frozenset({"cpp"}))
    artifacts = table(found)
    assert artifacts["any_type", "cpp", "forward"].reason == "compile_error"
    assert "generic" in artifacts["any_type", "cpp", "forward"].detail


def test_nothing_is_left_behind() -> None:
    unique = rendered(
        STENCIL.replace("@wp.kernel\n", '@wp.kernel(module="unique")\n'), stencil="kernel"
    )
    broken = rendered(BROKEN["annotation"], bad="kernel")
    collecting = gc.isenabled()

    def state() -> tuple[object, ...]:
        return (
            dict(context.user_modules),
            dict(context.function_key_counts),
            set(linecache.cache),
            set(sys.modules),
            gc.isenabled(),
        )

    capture([STENCIL_SOURCE], BOTH)
    gc.collect()
    before, sources = state(), len(codegen._shared_function_sources)
    assert {a.status for a in capture([STENCIL_SOURCE, unique, broken], BOTH)[1].artifacts} == {
        "ok"
    }
    gc.collect()
    assert state() == before
    assert len(codegen._shared_function_sources) == sources
    assert gc.isenabled() == collecting


def test_the_number_of_live_objects_is_flat() -> None:
    def objects_after(start: int) -> int:
        sources = [
            one_kernel(f"flat_{n}", f"a[i] = a[i] * {n}.5")
            for n in range(start, start + COLLECT_EVERY)
        ]
        capture(sources, BOTH)
        del sources
        gc.collect()
        return len(gc.get_objects())

    objects_after(0)
    first = objects_after(1_000)
    assert abs(objects_after(2_000) - first) < COLLECT_EVERY / 2


def test_check_names_the_version() -> None:
    assert check() == metadata.version("warp-lang")


@pytest.mark.parametrize("version", ["1.18.2", "1.20.0", "2.0", "1.9.19"])
def test_check_refuses_other_versions(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: version)
    with pytest.raises(BackendError) as caught:
        check.__wrapped__()
    assert str(caught.value) == f"warp-lang {version} is not supported: needs >=1.19,<1.20"


def test_check_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(BackendError, match=r"pip install 'irgen\[warp\]'"):
        check.__wrapped__()


def test_check_names_what_the_private_api_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "probe", lambda: ("warp._src.codegen.codegen_kernel",))
    with pytest.raises(
        BackendError, match=r"lacks what irgen uses: warp\._src\.codegen\.codegen_kernel"
    ):
        check.__wrapped__()


USERS = """\
import warp as wp


@wp.func
def users_scale(x: float):
    return x * 3.0


@wp.func
def users_shift(x: float):
    return users_scale(x) + 1.0


@wp.kernel
def users_kernel(a: wp.array(dtype=float), b: wp.array(dtype=float)):
    i = wp.tid()
    b[i] = users_shift(a[i])
"""

USERS_GENERIC = """\


@wp.kernel
def users_generic(a: wp.array(dtype=wp.Float)):
    i = wp.tid()
    a[i] = a[i] + a[i]
"""


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A module as a user writes it: imported from a file, in Warp's registry."""
    path = tmp_path_factory.mktemp("users") / "users.py"
    path.write_text(USERS + USERS_GENERIC)
    spec = importlib.util.spec_from_file_location("users", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_extract_leaves_a_users_kernel_as_it_was(
    users: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path))
    kernel = users.users_kernel
    module = kernel.module
    module.options["optimization_level"] = 0
    early = extract(kernel, BOTH)  # before the first launch
    a = wp.array(np.arange(4, dtype=np.float32), dtype=float, device="cpu")
    b = wp.zeros(4, dtype=float, device="cpu")
    wp.launch(kernel, 4, [a, b], device="cpu")
    assert b.numpy().tolist() == [1.0, 4.0, 7.0, 10.0]

    def state() -> tuple[object, ...]:
        return (
            module.get_module_hash(1),
            kernel.hash,
            kernel.get_mangled_name(),
            dict(module.options),
            dict(module.execs),
            set(module.references),
            set(module.dependents),
            {
                name: value
                for name, value in vars(users.users_shift.adj).items()
                if name != "symbols"
            },
        )

    before = state()
    assert extract(kernel, BOTH) == early
    assert state() == before
    b.zero_()
    wp.launch(kernel, 4, [a, b], device="cpu")
    assert b.numpy().tolist() == [1.0, 4.0, 7.0, 10.0]

    artifacts = table(early)
    assert outcomes(early) == {("ok", "")}
    assert list(dict.fromkeys(a.unit for a in early.artifacts)) == [
        *("users_scale", "users_shift", "users_kernel", ""),
    ]
    assert "users_kernel_cuda_kernel_backward(" in (
        artifacts["users_kernel", "cuda", "backward"].text or ""
    )


def test_python_source_of_a_users_kernel(users: ModuleType) -> None:
    assert "import warp as wp\n\n\n" + python_source(users.users_kernel) == USERS


def test_extract_names_what_is_no_kernel() -> None:
    with pytest.raises(TypeError, match="'digest' is not a Warp kernel"):
        extract(digest, BOTH)


def test_extract_wants_one_overload_of_a_generic_kernel(users: ModuleType) -> None:
    with pytest.raises(BackendError, match="'users_generic' is generic and has 0 overloads"):
        extract(users.users_generic, BOTH)
    double = wp.overload(users.users_generic, [wp.array(dtype=wp.float64)])
    wp.overload(users.users_generic, [wp.array(dtype=wp.float32)])
    with pytest.raises(BackendError, match="has 2 overloads"):
        extract(users.users_generic, BOTH)
    text = table(extract(double, BOTH))["users_generic", "cpp", "forward"].text
    assert "wp::array_t<wp::float64> a;" in (text or "")
