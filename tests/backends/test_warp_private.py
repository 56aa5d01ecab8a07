"""The private Warp route gives, byte for byte, the text of the public one."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import warp as wp
from warp._src import codegen, context

from backends.warp import private

VARIED = """\
import warp as wp


@wp.func
def varied_square(x: float):
    return x * x


@wp.func
def varied_smooth(x: float, limit: float):
    total = float(0.0)
    for step in range(4):
        total += varied_square(x) * 0.25
    if total > limit:
        return limit
    return wp.tanh(total)


@wp.func
def varied_turn(v: wp.vec3, angle: float):
    q = wp.quat_from_axis_angle(wp.normalize(v), angle)
    return wp.quat_rotate(q, v)


@wp.kernel
def varied_scalar(
    a: wp.array(dtype=float), b: wp.array(dtype=float), n: int, scale: wp.float64
):
    i = wp.tid()
    x = a[i]
    acc = float(0.0)
    for j in range(n):
        if j % 2 == 0 and x > 0.5:
            acc += varied_smooth(a[j], 2.0)
        else:
            acc -= wp.min(x, a[j]) / wp.max(wp.abs(x), 1.0)
    while acc > 100.0:
        acc = acc * 0.5
    b[i] = float(wp.float64(acc) * scale)
    wp.atomic_add(b, 0, acc)


@wp.kernel
def varied_grid(m: wp.array2d(dtype=wp.float16), out: wp.array(dtype=wp.float64, ndim=2)):
    i, j = wp.tid()
    h = m[i, j] * wp.float16(2.0) + m[j, i]
    out[i, j] = wp.float64(h) ** wp.float64(3.0)


@wp.kernel
def varied_geometry(
    p: wp.array(dtype=wp.vec3), f: wp.array(dtype=wp.mat33), q: wp.array(dtype=wp.vec4d)
):
    i = wp.tid()
    v = p[i]
    w = varied_turn(v, 0.5)
    m = f[i] @ wp.outer(v, w) + wp.identity(n=3, dtype=float) * wp.dot(v, w)
    f[i] = wp.transpose(m)
    v[0] = w[1] + m[0, 2]
    wp.atomic_add(p, 0, wp.cross(v, w))
    q[i] = wp.vec4d(q[i][0], wp.float64(v[0]), wp.float64(1.5), wp.length(q[i]))


@wp.kernel
def varied_integers(
    a: wp.array(dtype=wp.int32), b: wp.array(dtype=wp.uint8), c: wp.array(dtype=wp.int64)
):
    i = wp.tid()
    x = a[i]
    y = (x << 3) ^ (x >> 1) & 7 | ~x
    z = wp.int64(y // 3) * wp.int64(-7) % wp.int64(11)
    c[i] = wp.where(x > 0, z, wp.int64(x))
    b[i] = wp.uint8(wp.clamp(x, 0, 255))
    wp.atomic_max(a, 0, y)
    flag = not (x == 3) or y < 2
    if flag:
        a[i] = wp.abs(x) if x != 0 else int(b[i])


@wp.kernel(enable_backward=False)
def varied_forward_only(a: wp.array(dtype=float)):
    i = wp.tid()
    state = wp.rand_init(7, i)
    a[i] = wp.randf(state) + varied_square(a[i])
"""

TILED = """\
import warp as wp


@wp.kernel
def tiled(a: wp.array2d(dtype=float), out: wp.array(dtype=float)):
    i = wp.tid()
    t = wp.tile_load(a[i], shape=64)
    wp.tile_store(out, wp.tile_sum(wp.tile_map(wp.sin, t)), offset=i)
    u = wp.tile(float(i))
    wp.tile_atomic_add(out, wp.tile_sum(u))
"""


def test_installed_warp_has_all_that_is_used() -> None:
    assert private.probe() == ()


def test_probe_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(codegen, "codegen_kernel")
    monkeypatch.setattr(codegen.Adjoint, "resolve_func", lambda adj, func: None)
    monkeypatch.setattr(context, "user_modules", None)
    assert private.probe() == (
        "warp._src.codegen.Adjoint.resolve_func(adj, func, arg_types, kwarg_types, min_outputs)",
        "warp._src.codegen.codegen_kernel",
        "warp._src.context.user_modules",
    )


def texts(python: str, build: str, write: str, *, memo: bool) -> private.Texts:
    """Text for `write` of a source that is built for `build`, with or without the speed-up."""
    with private.session(private.PINNED, memo=memo), private.loaded(python) as loaded:
        return private.Builder(loaded, build).texts(write)


@pytest.mark.parametrize("target", ["cpu", "cuda"])
@pytest.mark.parametrize("python", [VARIED, TILED], ids=["varied", "tiled"])
def test_speed_up_leaves_every_byte(python: str, target: str) -> None:
    plain = texts(python, target, target, memo=False)
    assert texts(python, target, target, memo=True) == plain  # fills the tables
    assert texts(python, target, target, memo=True) == plain  # reads them


def test_one_build_serves_both_targets() -> None:
    shared = texts(VARIED, "cpu", "cuda", memo=True)
    assert shared == texts(VARIED, "cuda", "cuda", memo=True)


def test_tiles_need_a_build_for_each_target() -> None:
    assert texts(TILED, "cpu", "cuda", memo=True) != texts(TILED, "cuda", "cuda", memo=True)


def test_public_route_gives_the_same_text(tmp_path: Path) -> None:
    path = tmp_path / "varied_public.py"
    path.write_text(VARIED)
    spec = importlib.util.spec_from_file_location("varied_public", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    module = wp.get_module("varied_public")

    compiles: dict[str, tuple[int, dict[str, Any]]] = {
        "cpu": (1, {"device": "cpu"}),
        "cuda": (256, {"arch": 75, "use_ptx": True}),
    }
    module.options |= {"cpu_compiler_flags": "", "optimization_level": 1}  # no part of the text
    for target, (block_dim, options) in compiles.items():
        module.options["block_dim"] = block_dim
        wp.compile_aot_module(module, module_dir=tmp_path / target, strip_hash=True, **options)
        (file,) = [f for f in (tmp_path / target).iterdir() if f.suffix in (".cpp", ".cu")]
        public = file.read_text().replace(str(path), private.SOURCE_NAME)
        assert texts(VARIED, target, target, memo=True).module == public


def test_session_puts_everything_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wp.config, "max_unroll", 3)

    def state() -> tuple[object, ...]:
        return (
            dict(vars(wp.config)),
            dict(vars(codegen)),
            dict(vars(codegen.Adjoint)),
            dict(vars(codegen.Var)),
            dict(context.user_modules),
            context.function_key_counts,
        )

    def fail() -> None:
        with private.session(private.PINNED), private.loaded(VARIED):
            assert wp.config.max_unroll == 16
            assert private.MODULE_NAME in context.user_modules
            raise LookupError

    before = state()
    with pytest.raises(LookupError):
        fail()
    assert state() == before
