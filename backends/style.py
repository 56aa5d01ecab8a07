"""Style: the few integers from which every spelling choice of a rendered source follows.

A program says what is computed, a style how a person would have typed it. The choices a renderer
makes at one site are a pure function of the style and the site's number, so a style records and
replays as it stands, and a zero salt is the plainest spelling everywhere.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

_MASK = (1 << 64) - 1


class Chooser(Protocol):
    """The one primitive of a choice source: an integer in [0, n)."""

    def below(self, n: int, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Style:
    """`salt` varies single sites, `idiom` the shape of the whole source, `naming` the words, and
    `inlining` (0 to 3) how readily a value used once moves into the expression that uses it."""

    salt: int = 0
    idiom: int = 0
    naming: int = 0
    inlining: int = 0

    def choose(self, site: int, n: int) -> int:
        """The choice in [0, n) at a site; 0 everywhere when the salt is 0."""
        return 0 if self.salt == 0 or n < 2 else _mix(self.salt, site) % n


IDIOMS = 12
"""Idiom numbers are drawn below this; a backend takes them modulo its own count."""


def draw_style(source: Chooser) -> Style:
    """Draw a style; all zeros is the plainest."""
    return Style(
        salt=source.below(1 << 16),
        idiom=source.below(IDIOMS),
        naming=source.below(1 << 16),
        inlining=source.below(4),
    )


def _mix(salt: int, site: int) -> int:
    """A 64-bit finalizer (multiply and xor-shift, constants of splitmix64) over salt and site."""
    x = (salt * 0x9E3779B97F4A7C15 + (site + 1) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


WORDS: dict[str, tuple[str, ...]] = {
    "array": tuple(
        "values weights positions samples signal field points masses heights pressure density "
        "velocity force energy source data x y z charge flux rates costs scores errors levels "
        "intensity temperature profile coords grid image kernel_map stream table history bins "
        "mesh particles states rows items series depth radii lengths angles profits prices".split()
    ),
    "output": tuple(
        "out result output target dest updated smoothed totals residual response blended next_state "
        "filtered scaled projected combined gains new_values accum answer estimate normalized "
        "shifted mixed reduced filled merged".split()
    ),
    "scalar": tuple(
        "scale alpha beta gamma dt rate offset gain factor bias threshold damping stiffness step "
        "limit strength eps omega tau sigma mu kappa theta weight shift base ratio level amount "
        "cutoff decay".split()
    ),
    "count": tuple(
        "n count steps num_steps length num_items rounds iterations width size terms depth_limit "
        "passes num_terms".split()
    ),
    "index": ("i", "tid", "idx", "row", "gid", "lane", "index", "cell"),
    "index2": ("j", "col", "column", "jdx", "k_col", "y_index"),
    "index3": ("k", "layer", "slice_index", "kdx", "z_index"),
    "index4": ("m", "batch", "channel", "item"),
    "loop": tuple("k j s t step_index q p it r pos lag tap term_index level_index".split()),
    "local": tuple(
        "a b c d u v w value total term left right delta diff acc current prev inner outer mid part "
        "tmp score blend peak slope change sum_ product error best local center edge phase drift "
        "excess load share bump ramp curve wave trend spread growth response_value hold carry first "
        "second third base_value near far low high head tail fraction contribution estimate_value "
        "quotient magnitude adjusted squared cubed mixture remainder target_value lifted folded".split()
    ),
    "accumulator": tuple(
        "acc total running sum_ current state carry best result level_sum mean_value tally "
        "accumulated partial last_value memo gathered".split()
    ),
    "flag": tuple(
        "inside active is_large above below_limit done keep ok mask valid found use_left crossed "
        "converged selected hit within is_small near_edge flagged enabled".split()
    ),
    "integer": tuple(
        "m count_value bucket bits code key slot steps_left num hits stride parity digit offset_index "
        "step_count rank cells ticks turn span marker total_count".split()
    ),
    "vector": tuple(
        "vec direction normal axis dir_vec point vel accel grad_vec tangent ray origin delta_vec "
        "momentum wind heading impulse pos_vec side up forward_dir relative".split()
    ),
    "matrix": tuple(
        "mat rotation basis jac transform_mat stress strain metric frame inertia mixing coeffs "
        "stiff_mat hessian cov rot_mat".split()
    ),
    "kernel": tuple(
        "update_field apply_force blend_samples integrate_step smooth_signal compute_energy "
        "scale_values relax_grid project_points accumulate_terms filter_rows advance_particles "
        "evaluate_profile transform_points damp_velocity mix_channels score_items diffuse_heat "
        "reduce_rows sample_curve weigh_errors propagate_wave balance_load resolve_contacts "
        "normalize_rows gather_scores combine_layers adjust_levels track_peaks shape_response".split()
    ),
    "function": tuple(
        "falloff soft_step activation blend_pair penalty response_curve smooth_gate remap distance_term "
        "spring_force attenuate mix_terms safe_ratio wave_term potential shape_term clip_value "
        "profile_at weight_of kernel_value bounded_gain ease".split()
    ),
    "driver": tuple("run simulate forward_pass pipeline solve evaluate process model apply_all compute".split()),
    "closure": tuple(
        "body step_fn on_true on_false lane update_step branch_a branch_b per_item scan_step "
        "loop_body when_set otherwise advance per_lane apply_step take_left take_right".split()
    ),
}
"""Words by role. All are plain identifiers; a source draws without repeating one."""

RESERVED = frozenset(
    {*keyword.kwlist, *keyword.softkwlist}
    | set("wp jnp jax lax np warp numpy range int float bool abs min max len sum round print pow".split())
)


class Names:
    """Hands out identifiers for one source: by role, never twice, never a reserved word."""

    def __init__(self, style: Style, taken: Iterable[str] = ()) -> None:
        self._naming = style.naming
        self._taken = {*taken, *RESERVED}
        self._drawn = 0
        self._scopes = 0

    def scope(self) -> Names:
        """Names for the inside of one unit: apart from those handed out so far, but free to agree
        with those of another scope."""
        self._scopes += 1
        inner = Names.__new__(Names)
        inner._naming = self._naming
        inner._taken = set(self._taken)
        inner._drawn = self._scopes * 1000
        inner._scopes = 0
        return inner

    def fresh(self, role: str) -> str:
        """A new identifier for a role of `WORDS`, starting at a place the style decides."""
        words = WORDS[role]
        self._drawn += 1
        start = 0 if self._naming == 0 else _mix(self._naming, self._drawn) % len(words)
        for suffix in ("", "_next", "_alt", "_two", "_new"):
            for step in range(len(words)):
                name = words[(start + step) % len(words)] + suffix
                if name not in self._taken:
                    self._taken.add(name)
                    return name
        number = 2
        while f"{words[start]}_{number}" in self._taken:
            number += 1
        self._taken.add(f"{words[start]}_{number}")
        return f"{words[start]}_{number}"
