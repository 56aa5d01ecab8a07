"""JAX files of many kinds for the tests of the driver."""

from __future__ import annotations

from backends.base import Argument, Rendered, Unit

HEAD = "import jax\nimport jax.numpy as jnp\nfrom jax import lax\n\n\n"
F8 = ("float32", (8,))
F46 = ("float32", (4, 6))
F65 = ("float32", (6, 5))
I3 = ("int32", (3,))

BODIES: dict[str, tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]] = {
    "elementwise": ("return jnp.sin(a) * b + jnp.exp(-jnp.abs(a)) * 0.5", (F8, F8)),
    "dots": ("return jnp.tanh(a @ b) @ jnp.ones((5, 3), jnp.float32)", (F46, F65)),
    "dots_again": ("return jnp.tanh(a @ b).sum(axis=0) * 2.0", (F46, F65)),
    "scanned": (
        "return lax.scan(lambda c, r: (jnp.cos(c) * r, c), a, jnp.stack([b, a, b]))[0]",
        (F8, F8),
    ),
    "looped": ("return lax.fori_loop(0, 4, lambda i, c: c * b + i, a)", (F8, F8)),
    "branched": (
        "return lax.cond(a.sum() > 0.0, lambda t: jnp.sin(t), lambda t: t * 2.0, a) + b",
        (F8, F8),
    ),
    "mapped": ("return jax.vmap(lambda r: jnp.sort(r) / (1.0 + jnp.max(r)))(a)", (F46,)),
    "nested": (
        "inner = jax.jit(lambda t: jax.jit(jnp.cumsum)(t) + 1.0)\n    return inner(a) * inner(b)",
        (F8, F8),
    ),
    "activations": (
        "return jax.nn.relu(a) + jax.nn.softmax(b) + jax.nn.gelu(a) * jax.nn.sigmoid(b)",
        (F8, F8),
    ),
    "scattered": ("return a.at[i].add(b[i] * 2.0)[::-1] + jnp.take(b, 3)", (F8, F8, I3)),
    "two_results": ("return jnp.sum(a * b), jnp.argmax(a), a - b", (F8, F8)),
    "half": ("return (a * b).sum() + jnp.exp(a)[0]", (("bfloat16", (8,)), ("bfloat16", (8,)))),
    "quarter": ("return jnp.sqrt(jnp.abs(a)) + 1.5", (("float16", (2, 3)),)),
    "scalar": ("return jnp.where(a > b, a, b) * jnp.square(a)", (("float32", ()), ("float32", ()))),
}

WIDE_BODIES: dict[str, tuple[str, tuple[tuple[str, tuple[int, ...]], ...]]] = {
    "wide_sum": ("return jnp.cumsum(a) * i.astype(jnp.float64)[0]", (("float64", (5,)), I3)),
    "wide_mixed": ("return jnp.sin(a) * b.sum()", (("float64", (8,)), F8)),
}


def rendered(
    name: str, body: str, arguments: tuple[tuple[str, tuple[int, ...]], ...], *, wide: bool = False
) -> Rendered:
    """A file with one function over arguments a, b, ... (i for int32) of the types given."""
    names = ["i" if dtype == "int32" else "ab"[k] for k, (dtype, _) in enumerate(arguments)]
    return Rendered(
        backend="jax",
        python=f"{HEAD}def {name}({', '.join(names)}):\n    {body}\n",
        entry=name,
        units=(Unit(name, "function"),),
        arguments=tuple(
            Argument(argument, dtype, shape)
            for argument, (dtype, shape) in zip(names, arguments, strict=True)
        ),
        wide=wide,
    )


SOURCES = tuple(rendered(name, *body) for name, body in BODIES.items())
WIDE_SOURCES = tuple(rendered(name, *body, wide=True) for name, body in WIDE_BODIES.items())
ALL_SOURCES = SOURCES + WIDE_SOURCES
