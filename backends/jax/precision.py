"""How JAX's programs round: the largest errors found, times 1.5 or more.

Measured on dense random points within the ops' domains and beyond, in whole arrays and in short
ones (whose code differs), against float64 and long double, on the oldest and the newest release
supported. The comments give the largest error found, in units in the last place, of float32 and
float64.
"""

from __future__ import annotations

from collections.abc import Mapping

from grammar.bounds.precision import Precision, Ulps

_INTERPRETED: Mapping[str, Ulps] = {
    "acos": (2.0, 1.75, 2.0),  # 1.17, 1.07
    "asin": (3.0, 2.5, 2.5),  # 1.59, 1.48
    "atan": (1.0, 1.0),  # 0.50, 0.50
    "atan2": (1.0, 1.0),  # 0.50, 0.50
    "cbrt": (1.0, 4.5),  # 0.50, 2.47
    "cos": (1.0, 1.0),  # 0.50, 0.51
    "cosh": (1.75, 2.75),  # 1.00, 1.67
    "erf": (9.0, 4.0),  # 5.62, 2.42
    "erfc": (50.0, 50.0),  # 31.0, 30.5
    "erfinv": (4.5, 4.5),  # 2.99, 2.83
    "exp": (1.0, 1.0),  # 0.50, 0.50
    "exp2": (5.0, 5.0, 6.0),  # 2.42, 2.87 up to 4; it is exp(a log 2)
    "expm1": (1.0, 1.25, 3.25),  # 0.50, 0.71
    "hypot": (3.0, 3.0, 3.0),  # 1.85, 1.77
    "log": (1.0, 1.0),  # 0.50, 0.50
    "log10": (2.75, 2.5, 2.5),  # 1.71, 1.52
    "log1p": (1.0, 1.25),  # 0.50, 0.67
    "log2": (2.25, 2.25, 2.75),  # 1.42, 1.42
    "pow": (1.0, 1.0),  # 0.50, 0.50
    "rsqrt": (2.5, 2.5, 3.5),  # 0.50, 1.38; the formula errs by up to 1.5 itself
    "sin": (1.0, 1.0),  # 0.50, 0.51
    "sinh": (3.25, 2.75),  # 2.09, 1.73
    "tan": (1.0, 1.0),  # 0.50, 0.51
    "tanh": (1.0, 3.0),  # 0.50, 1.77
}

_COMPILED: Mapping[str, Ulps] = {
    "acos": (3.0, 1.75, 2.0),  # 1.82, 1.07
    "asin": (3.5, 2.5, 2.5),  # 2.20, 1.66
    "atan": (8.0, 5.0),  # 5.33, 3.07
    "atan2": (2.25, 1.0),  # 1.34, 0.51
    "cbrt": (1.5, 4.5),  # 0.91, 2.84
    "cos": (1.0, 1.0),  # 0.56, 0.52
    "cosh": (2.25, 3.5),  # 1.42, 2.29
    "erf": (9.0, 4.0),  # 4.71, 1.00; constants are folded by the interpreter's series
    "erfc": (50.0, 50.0),  # 33.0, 32.7
    "erfinv": (4.5, 5.0),  # 2.99, 3.19
    "exp": (1.5, 2.25),  # 0.99, 1.44
    "exp2": (5.0, 6.0, 6.0),  # 2.54, 3.19 up to 4; it is exp(a log 2)
    "expm1": (7.5, 4.75, 3.25),  # 4.94, 3.01
    "hypot": (3.0, 3.0, 3.0),  # 1.93, 1.87
    "log": (1.75, 1.0),  # 1.13, 0.52
    "log10": (4.0, 2.5, 2.5),  # 2.51, 1.59
    "log1p": (3.75, 2.75),  # 2.38, 1.84
    "log2": (3.5, 2.25, 2.75),  # 2.18, 1.30
    "pow": (4.0, 2.0),  # 0.50, 0.50; squares and roots of other powers are rewritten
    "rsqrt": (2.5, 2.5, 3.5),  # 1.58, 1.06; the formula errs by up to 1.5 itself
    "sin": (1.0, 1.0),  # 0.56, 0.51
    "sinh": (9.0, 6.5),  # 5.70, 4.27
    "tan": (1.25, 1.0),  # 0.80, 0.53
    "tanh": (6.75, 8.5),  # 4.34, 5.50
}

PRECISION: Mapping[str, Precision] = {
    "interpreter": Precision(ulps=_INTERPRETED, ordered=False),
    "compiled": Precision(
        ulps=_COMPILED,
        exact=frozenset({"add", "cast"}),
        # x / 3 becomes x * (1 / 3), (x / y) / z one quotient, (x * 2) * 3 one product.
        units={"mul": 2.0, "div": 3.0, "sqrt": 2.0},
        fused=True,
        flush=frozenset({"f32", "f64", "bf16"}),
        argument=1.0,
        ordered=False,
    ),
}
"""By way to run. The interpreter rounds every operation as IEEE arithmetic does; XLA's CPU code
contracts, rewrites quotients, merges exponentials, and flushes subnormal numbers."""
