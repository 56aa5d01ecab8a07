import warp as wp


@wp.kernel
def project_points(
    rows: wp.array[float],
    mixed: wp.array[float],
    filled: wp.array[float],
    response: wp.array[float],
    combined: wp.array[int],
):
    cell = wp.tid()
    drift = rows[cell]
    if drift > 100.0:
        return
    total_count = cell - cell // 4 * 4
    wp.atomic_add(mixed, total_count, drift)
    if drift < 1.0:
        wp.atomic_min(filled, total_count, drift)
    for tap in range(3):
        wp.atomic_max(response, total_count, drift + drift)
    for t in range(3):
        combined[0] -= t
