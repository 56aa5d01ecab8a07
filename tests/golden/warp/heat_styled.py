import warp as wp


@wp.kernel
def project_points(rows: wp.array[float], mixed: wp.array[float], cutoff: float):
    cell = wp.tid()
    key = cell - 1
    current = rows[cell]
    drift = wp.mul(cutoff, rows[wp.max(key, 0)] - current)
    mixed[cell] = wp.add(current, drift)


@wp.kernel
def damp_velocity(
    coords: wp.array[float],
    decay: float,
    states: wp.array[float],
    estimate: wp.array[float],
):
    row = wp.tid()
    v = wp.sub(coords[row] * decay, states[row])
    estimate[row] = v


def apply_all(prices, kappa):
    dest = wp.empty_like(prices)
    wp.copy(dest, prices)
    mixed = wp.zeros(16, dtype=float, requires_grad=True)
    reduced, filtered = dest, mixed
    for r in range(5):
        wp.launch(project_points, dim=16, inputs=[reduced, filtered, kappa])
        reduced, filtered = filtered, reduced
    next_state = wp.zeros(16, dtype=float, requires_grad=True)
    wp.launch(
        damp_velocity, dim=16, inputs=[reduced, kappa, prices], outputs=[next_state]
    )
    return reduced, next_state
