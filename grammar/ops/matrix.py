"""Square matrices of two to four rows: construction, products, inverse."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grammar import numeric
from grammar.numeric import matmul, stack, total, transpose
from grammar.ops import matrix_meanings as means
from grammar.ops.base import Instance, Meaning, Op, PerTyping, size_of
from grammar.types import F32, F64, scalar_of


def _elements(instance: Instance) -> int:
    return size_of(instance) ** 2


def _none(instance: Instance) -> int:
    return 0


def _wide(instance: Instance) -> bool:
    return scalar_of(instance.operands[0]) in (F32, F64)


def _wide_up_to_3(instance: Instance) -> bool:
    return _wide(instance) and size_of(instance) <= 3


def _matrix(
    name: str,
    signature: str,
    doc: str,
    partials: tuple[str, ...],
    warp: tuple[str, ...],
    jax: tuple[str, ...],
    lane: tuple[str, ...] = (),
    *,
    requires: tuple[str, ...] = (),
    range: str,
    meaning: Meaning | PerTyping,
    weight: int = 4,
    attributes: Callable[[Instance], int] = _none,
    only: Callable[[Instance], bool] | None = None,
    commutes: bool = False,
) -> Op:
    return Op(
        name=name,
        signature=signature,
        doc=doc,
        group="matrix",
        spell={"warp": warp, "jax": jax, "jax_lane": lane},
        meaning=meaning,
        weight=weight,
        requires=requires,
        range=range,
        partials=partials,
        smoothness="smooth",
        attributes=attributes,
        only=only,
        commutes=commutes,
    )


def _from_vectors(size: int, rows: bool) -> Op:
    letters = "abcd"[:size]
    arguments = ", ".join(letters)
    axis = -2 if rows else -1
    return _matrix(
        f"{'rows' if rows else 'columns'}{size}",
        f"{f'V{size} ' * size}-> M{size}",
        f"A matrix of {size} {'rows' if rows else 'columns'}.",
        tuple(f"{'row' if rows else 'column'}[{k}](g)" for k in range(size)),
        (f"wp.matrix_from_{'rows' if rows else 'cols'}({arguments})",),
        (f"jnp.stack(jnp.broadcast_arrays({arguments}), axis={axis})",),
        (f"jnp.stack([{arguments}])",) if rows else (f"jnp.stack([{arguments}], axis=1)",),
        range="join",
        meaning=means.rows if rows else means.columns,
        weight=2,
    )


CONSTRUCTIONS: tuple[Op, ...] = (
    _matrix(
        "matrix2",
        "F F F F -> M2",
        "A 2 by 2 matrix, row by row.",
        tuple(f"element[{k}](g)" for k in range(4)),
        ("R(a, b, c, d)",),
        (
            "jnp.stack(jnp.broadcast_arrays(jnp.stack(jnp.broadcast_arrays(a, b), axis=-1),"
            " jnp.stack(jnp.broadcast_arrays(c, d), axis=-1)), axis=-2)",
        ),
        ("jnp.array([[a, b], [c, d]])",),
        range="join",
        meaning=lambda a, b, c, d: stack((stack((a, b)), stack((c, d))), -2),
        weight=2,
    ),
    *(_from_vectors(size, rows) for rows in (True, False) for size in (2, 3, 4)),
    _matrix(
        "identity",
        "-> Mn",
        "The identity matrix.",
        (),
        ("wp.identity(n, dtype=S)",),
        ("jnp.eye(n, dtype=S)", "jnp.identity(n, dtype=S)"),
        range="identity",
        meaning=PerTyping(means.identity),
        weight=1,
    ),
    _matrix(
        "diagonal",
        "Vn -> Mn",
        "The matrix with a on its diagonal, else 0.",
        ("get_diagonal(g)",),
        ("wp.diag(a)",),
        ("a[..., None] * jnp.eye(n, dtype=S)",),
        ("jnp.diag(a)",),
        range="with_zero",
        meaning=PerTyping(means.diagonal),
        weight=2,
    ),
    _matrix(
        "get_diagonal",
        "Mn -> Vn",
        "The elements on the diagonal.",
        ("diagonal(g)",),
        ("wp.get_diag(a)",),
        ("jnp.diagonal(a, axis1=-2, axis2=-1)",),
        ("jnp.diag(a)", "jnp.diagonal(a)"),
        range="same",
        meaning=PerTyping(means.get_diagonal),
        weight=2,
    ),
    _matrix(
        "element",
        "Mn -> F",
        "One element; the attribute counts row by row.",
        ("outer_product(basis[i](g), basis[j](1.0))",),
        ("a[i, j]",),
        ("a[..., i, j]",),
        ("a[i, j]",),
        range="same",
        meaning=PerTyping(means.element),
        weight=4,
        attributes=_elements,
    ),
    _matrix(
        "row",
        "Mn -> Vn",
        "One row.",
        ("outer_product(basis[i](1.0), g)",),
        ("a[i]",),
        ("a[..., i, :]",),
        ("a[i]",),
        range="same",
        meaning=PerTyping(lambda instance, k: lambda a: a[..., k, :]),
        weight=3,
        attributes=size_of,
    ),
    _matrix(
        "column",
        "Mn -> Vn",
        "One column.",
        ("outer_product(g, basis[i](1.0))",),
        ("wp.transpose(a)[i]",),
        ("a[..., i]",),
        ("a[:, i]",),
        range="same",
        meaning=PerTyping(lambda instance, k: lambda a: a[..., k]),
        weight=2,
        attributes=size_of,
    ),
    _matrix(
        "outer_product",
        "Vn Vn -> Mn",
        "Outer product.",
        ("matvec(g, b)", "vecmat(a, g)"),
        ("wp.outer(a, b)",),
        ("a[..., :, None] * b[..., None, :]", 'jnp.einsum("...x,...y->...xy", a, b)'),
        ("jnp.outer(a, b)",),
        range="mul",
        meaning=lambda a, b: a[..., :, None] * b[..., None, :],
        weight=3,
    ),
    _matrix(
        "skew",
        "V3 -> M3",
        "The matrix m with matvec(m, x) = cross(a, x).",
        (
            "vec3(element[7](g) - element[5](g), element[2](g) - element[6](g),"
            " element[3](g) - element[1](g))",
        ),
        ("wp.skew(a)",),
        ("jnp.cross(jnp.eye(3, dtype=S), a[..., None, :])",),
        ("jnp.cross(jnp.eye(3, dtype=S), a)",),
        range="skew",
        meaning=means.skew,
        weight=1,
    ),
)

PRODUCTS: tuple[Op, ...] = (
    _matrix(
        "matrix_scale",
        "F Mn -> Mn",
        "Number times matrix.",
        ("ddot(g, b)", "matrix_scale(a, g)"),
        ("a * b", "b * a"),
        ("a[..., None, None] * b",),
        ("a * b", "b * a"),
        range="mul",
        meaning=lambda a, b: a[..., None, None] * b,
    ),
    _matrix(
        "matrix_div",
        "Mn F -> Mn",
        "Matrix divided by a number.",
        ("matrix_div(g, b)", "-(ddot(g, a) / square(b))"),
        ("a / b",),
        ("a / b[..., None, None]",),
        ("a / b",),
        requires=("", "nonzero"),
        range="div",
        meaning=lambda a, b: a / b[..., None, None],
        weight=2,
    ),
    _matrix(
        "matvec",
        "Mn Vn -> Vn",
        "Matrix times vector.",
        ("outer_product(g, b)", "vecmat(g, a)"),
        ("a @ b",),
        ('jnp.einsum("...xy,...y->...x", a, b)', "jnp.matvec(a, b)", "(a @ b[..., None])[..., 0]"),
        ("a @ b", "jnp.dot(a, b)"),
        range="dot",
        meaning=lambda a, b: matmul(a, b[..., None])[..., 0],
        weight=6,
    ),
    _matrix(
        "vecmat",
        "Vn Mn -> Vn",
        "Row vector times matrix.",
        ("matvec(b, g)", "outer_product(a, g)"),
        ("a @ b", "wp.transpose(b) @ a"),
        ('jnp.einsum("...x,...xy->...y", a, b)', "jnp.vecmat(a, b)"),
        ("a @ b", "jnp.dot(a, b)"),
        range="dot",
        meaning=lambda a, b: matmul(a[..., None, :], b)[..., 0, :],
        weight=2,
    ),
    _matrix(
        "matmat",
        "Mn Mn -> Mn",
        "Matrix product.",
        ("matmat(g, matrix_transpose(b))", "matmat(matrix_transpose(a), g)"),
        ("a @ b",),
        ("a @ b", "jnp.matmul(a, b)", 'jnp.einsum("...xy,...yz->...xz", a, b)'),
        ("jnp.dot(a, b)",),
        range="dot",
        meaning=matmul,
        weight=6,
    ),
    _matrix(
        "quadratic_form",
        "Vn Mn -> F",
        "dot(a, matvec(b, a)).",
        (
            "scale(g, matvec(b, a) + vecmat(a, b))",
            "outer_product(scale(g, a), a)",
        ),
        ("wp.dot(a, b @ a)",),
        ('jnp.einsum("...x,...xy,...y->...", a, b, a)',),
        ("a @ b @ a",),
        range="quadratic",
        meaning=lambda a, b: total(a[..., :, None] * b * a[..., None, :], 2),
        weight=1,
    ),
    _matrix(
        "ddot",
        "Mn Mn -> F",
        "Sum of the products of elements.",
        ("matrix_scale(g, b)", "matrix_scale(g, a)"),
        ("wp.ddot(a, b)",),
        ("jnp.sum(a * b, axis=(-2, -1))", 'jnp.einsum("...xy,...xy->...", a, b)'),
        ("jnp.sum(a * b)", "jnp.vdot(a, b)"),
        range="ddot",
        meaning=means.ddot,
        weight=2,
        commutes=True,
    ),
    _matrix(
        "matrix_transpose",
        "Mn -> Mn",
        "Rows as columns.",
        ("matrix_transpose(g)",),
        ("wp.transpose(a)",),
        ("jnp.swapaxes(a, -1, -2)", "jnp.matrix_transpose(a)", "a.mT"),
        ("a.T", "jnp.transpose(a)"),
        range="transpose",
        meaning=transpose,
        weight=4,
    ),
    _matrix(
        "trace",
        "Mn -> F",
        "Sum of the diagonal.",
        ("matrix_scale(g, identity())",),
        ("wp.trace(a)",),
        ("jnp.trace(a, axis1=-2, axis2=-1)",),
        ("jnp.trace(a)",),
        range="trace",
        meaning=PerTyping(means.trace),
        weight=3,
    ),
    _matrix(
        "symmetrize",
        "Mn -> Mn",
        "Half the sum with the transpose.",
        ("matrix_scale(0.5, g + matrix_transpose(g))",),
        ("T(0.5) * (a + wp.transpose(a))",),
        ("T(0.5) * (a + jnp.swapaxes(a, -1, -2))",),
        ("T(0.5) * (a + a.T)",),
        range="symmetrize",
        meaning=lambda a: 0.5 * (a + transpose(a)),
        weight=1,
    ),
    _matrix(
        "add_diagonal",
        "Mn F -> Mn",
        "a + b * identity.",
        ("g", "trace(g)"),
        ("a + b * wp.identity(n, dtype=S)",),
        ("a + b[..., None, None] * jnp.eye(n, dtype=S)",),
        ("a + b * jnp.eye(n, dtype=S)",),
        range="add_diagonal",
        meaning=PerTyping(means.add_diagonal),
        weight=2,
    ),
    _matrix(
        "matrix_squash",
        "Mn -> Mn",
        "a / (1 + ddot(a, a)): a matrix of Frobenius norm below 1.",
        (
            "matrix_div(g, 1.0 + ddot(a, a))"
            " - matrix_scale(2.0 * (ddot(g, a) / square(1.0 + ddot(a, a))), a)",
        ),
        ("a / (T(1) + wp.ddot(a, a))",),
        ("a / (T(1) + jnp.sum(a * a, axis=(-2, -1), keepdims=True))",),
        ("a / (T(1) + jnp.sum(a * a))",),
        requires=("squarable_matrix",),
        range="squash",
        meaning=lambda a: a / (1.0 + means.ddot(a, a))[..., None, None],
        weight=1,
    ),
    _matrix(
        "frobenius",
        "Mn -> F",
        "Square root of the sum of squares.",
        ("matrix_scale(g / y, a)",),
        ("wp.sqrt(wp.ddot(a, a))",),
        ("jnp.linalg.norm(a, axis=(-2, -1))", "jnp.sqrt(jnp.sum(a * a, axis=(-2, -1)))"),
        ("jnp.linalg.norm(a)",),
        requires=("leg_matrix",),
        range="frobenius",
        meaning=lambda a: np.sqrt(means.ddot(a, a)),
        weight=1,
    ),
    _matrix(
        "determinant",
        "Mn -> F",
        "Determinant.",
        ("matrix_scale(g * y, matrix_transpose(inverse(a)))",),
        ("wp.determinant(a)",),
        ("jnp.linalg.det(a)",),
        requires=("dominant",),
        range="determinant",
        meaning=numeric.determinant,
        weight=2,
        only=_wide_up_to_3,
    ),
    _matrix(
        "inverse",
        "Mn -> Mn",
        "Inverse.",
        ("-matmat(matrix_transpose(y), matmat(g, matrix_transpose(y)))",),
        ("wp.inverse(a)",),
        ("jnp.linalg.inv(a)",),
        requires=("dominant",),
        range="inverse",
        meaning=numeric.inverse,
        weight=2,
        only=_wide,
    ),
)

MATRIX: tuple[Op, ...] = (*CONSTRUCTIONS, *PRODUCTS)
