import warp as wp


@wp.kernel
def update_field(
    values: wp.array2d(dtype=wp.float32), out: wp.array2d(dtype=wp.float32)
):
    i, j = wp.tid()
    m = i + 1
    count_value = wp.min(m, 7)
    a = values[count_value, j]
    b = values[i, j]
    c = a - b
    out[i, j] = c
