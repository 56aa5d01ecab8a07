import warp as wp


@wp.kernel
def update_field(
    values: wp.array(dtype=wp.float32),
    out: wp.array(dtype=wp.float32),
    result: wp.array(dtype=wp.float32),
    output: wp.array(dtype=wp.float32),
    target: wp.array(dtype=wp.int32),
):
    i = wp.tid()
    a = values[i]
    inside = a > 100.0
    if inside:
        return
    m = i - i // 4 * 4
    wp.atomic_add(out, m, a)
    active = a < 1.0
    if active:
        wp.atomic_min(result, m, a)
    for k in range(3):
        b = a + a
        wp.atomic_max(output, m, b)
    for j in range(3):
        wp.atomic_sub(target, 0, j)
