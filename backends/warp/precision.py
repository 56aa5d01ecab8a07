"""How Warp's kernels round: the largest errors found, times 1.5 or more.

Measured on dense random points within the ops' domains and beyond, against float64 and long
double; -O0 and -O2 differ by nothing but how constants are folded. The comments give the largest
error found, in units in the last place, of float32 and float64.
"""

from __future__ import annotations

from collections.abc import Mapping

from grammar.bounds.precision import Precision, Ulps

_ULPS: Mapping[str, Ulps] = {
    "acos": (1.5, 1.0),  # 0.86, 0.51
    "asin": (1.5, 1.0),  # 0.81, 0.51
    "atan": (1.5, 1.0),  # 0.75, 0.51
    "atan2": (2.0, 1.0),  # 1.23, 0.51
    "cbrt": (1.5, 4.5),  # 0.91, 2.84
    "cos": (1.0, 1.0),  # 0.56, 0.52
    "cosh": (1.75, 1.75),  # 1.00, 0.99
    "erf": (1.5, 1.5),  # 0.83, 0.99
    "erfc": (4.0, 4.0),  # 2.56, 2.54
    "erfinv": (1.0, 4.0),  # 0.50, 2.1 and the absolute error below
    "exp": (1.0, 1.0),  # 0.50, 0.50
    "exp2": (1.0, 1.0),  # 0.50, 0.51
    "hypot": (1.75, 1.75, 2.1),  # 1.10, 1.10
    "log": (1.25, 1.0),  # 0.80, 0.52
    "log10": (3.0, 2.5),  # 1.86, 1.58
    "log2": (1.25, 1.0),  # 0.73, 0.53
    "pow": (1.0, 1.0),  # 0.50, 0.50
    "sin": (1.0, 1.0),  # 0.56, 0.51
    "sinh": (2.5, 2.5),  # 1.61, 1.54
    "tan": (1.25, 1.0),  # 0.80, 0.53
    "tanh": (3.25, 3.0),  # 2.07, 1.94
}

PRECISION: Mapping[str, Precision] = {
    "cpu": Precision(
        ulps=_ULPS,
        # In double precision erfinv takes a difference of numbers near 1: off by 1e-16 everywhere.
        absolute={"erfinv": (0.0, 3.0)},
    ),
}
"""By way to run: plain IEEE arithmetic, no contraction, subnormal numbers kept."""
