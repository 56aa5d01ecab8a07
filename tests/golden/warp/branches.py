import warp as wp


@wp.kernel
def update_field(values: wp.array(dtype=wp.float32), out: wp.array(dtype=wp.float32)):
    i = wp.tid()
    a = values[i]
    inside = a > 0.0
    if inside:
        active = a > 2.0
        if active:
            b = 2.0
        else:
            b = a
        m = 1
    else:
        b = -a
        m = -1
    is_large = m < i
    if is_large:
        out[i] = b
