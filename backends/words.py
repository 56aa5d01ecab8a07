"""The words that identifiers are drawn from, by role. All are plain identifiers."""

from __future__ import annotations

import keyword


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WORDS: dict[str, tuple[str, ...]] = {
    "array": _words(
        "values weights positions samples signal field points masses heights pressure density "
        "velocity force energy source data x y z charge flux rates costs scores errors levels "
        "intensity temperature profile coords grid image kernel_map stream table history bins "
        "mesh particles states rows items series depth radii lengths angles profits prices"
    ),
    "output": _words(
        "out result output target dest updated smoothed totals residual response blended "
        "next_state filtered scaled projected combined gains new_values accum answer estimate "
        "normalized shifted mixed reduced filled merged"
    ),
    "scalar": _words(
        "scale alpha beta gamma dt rate offset gain factor bias threshold damping stiffness "
        "step limit strength eps omega tau sigma mu kappa theta weight shift base ratio level "
        "amount cutoff decay"
    ),
    "count": _words(
        "n count steps num_steps length num_items rounds iterations width size terms "
        "depth_limit passes num_terms"
    ),
    "index": _words("i tid idx row gid lane index cell"),
    "index2": _words("j col column jdx k_col y_index"),
    "index3": _words("k layer slice_index kdx z_index"),
    "index4": _words("m batch channel item"),
    "loop": _words("k j s t step_index q p it r pos lag tap term_index level_index"),
    "local": _words(
        "a b c d u v w value total term left right delta diff acc current prev inner outer mid "
        "part tmp score blend peak slope change sum_ product error best local center edge phase "
        "drift excess load share bump ramp curve wave trend spread growth response_value hold "
        "carry first second third base_value near far low high head tail fraction contribution "
        "estimate_value quotient magnitude adjusted squared cubed mixture remainder "
        "target_value lifted folded"
    ),
    "accumulator": _words(
        "acc total running sum_ current state carry best result level_sum mean_value tally "
        "accumulated partial last_value memo gathered"
    ),
    "flag": _words(
        "inside active is_large above below_limit done keep ok mask valid found use_left "
        "crossed converged selected hit within is_small near_edge flagged enabled"
    ),
    "integer": _words(
        "m count_value bucket bits code key slot steps_left num hits stride parity digit "
        "offset_index step_count rank cells ticks turn span marker total_count"
    ),
    "vector": _words(
        "vec direction normal axis dir_vec point vel accel grad_vec tangent ray origin "
        "delta_vec momentum wind heading impulse pos_vec side up forward_dir relative"
    ),
    "matrix": _words(
        "mat rotation basis jac transform_mat stress strain metric frame inertia mixing coeffs "
        "stiff_mat hessian cov rot_mat"
    ),
    "kernel": _words(
        "update_field apply_force blend_samples integrate_step smooth_signal compute_energy "
        "scale_values relax_grid project_points accumulate_terms filter_rows advance_particles "
        "evaluate_profile transform_points damp_velocity mix_channels score_items diffuse_heat "
        "reduce_rows sample_curve weigh_errors propagate_wave balance_load resolve_contacts "
        "normalize_rows gather_scores combine_layers adjust_levels track_peaks shape_response"
    ),
    "function": _words(
        "falloff soft_step activation blend_pair penalty response_curve smooth_gate remap "
        "distance_term spring_force attenuate mix_terms safe_ratio wave_term potential "
        "shape_term clip_value profile_at weight_of kernel_value bounded_gain ease"
    ),
    "driver": _words(
        "run simulate forward_pass pipeline solve evaluate process model apply_all compute"
    ),
    "closure": _words(
        "body step_fn on_true on_false lane update_step branch_a branch_b per_item scan_step "
        "loop_body when_set otherwise advance per_lane apply_step take_left take_right"
    ),
}
"""A source draws without repeating one within a unit."""

_TAKEN = _words(
    "wp jnp jax lax np warp numpy range int float bool abs min max len sum round print pow"
)
RESERVED = frozenset((*keyword.kwlist, *keyword.softkwlist, *_TAKEN))
"""Identifiers that a source must not bind."""
