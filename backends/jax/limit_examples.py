"""Two programs for each limitation of JAX: one that it gets wrong, and one next to it."""

from __future__ import annotations

from collections.abc import Mapping


def _chosen(distance: str) -> str:
    return f"""irgen 1
kernel @0 [4] (%0: i32, %1: f32x3[4], %2: f32[4]) {{
  %3: f32x3 = load %1, %0
  %4: f32 = component %3 {{0}}
  %5: f32 = const 10.0
  %6: bool = gt %4, %5
  %7: f32 = if %6 {{
    %8: f32 = {distance} %3, %3
    yield %8
  }} else {{
    yield %4
  }}
  store %2, %0, %7
  yield
}}
"""


WRONG: Mapping[str, str] = {"norm_at_zero": _chosen("distance")}
"""Programs whose gradient JAX gets wrong, by limitation."""

RIGHT: Mapping[str, str] = {"norm_at_zero": _chosen("distance_squared")}
"""Programs next to them whose gradient it gets right."""
