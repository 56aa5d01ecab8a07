import warp as wp


@wp.func
def falloff(a: wp.float32):
    b = a + a
    return b


@wp.func
def soft_step(a: wp.float32, b: wp.float32):
    c = a * b
    d = falloff(b)
    return c, d


@wp.kernel
def update_field(
    values: wp.array(dtype=wp.float32),
    out: wp.array(dtype=wp.float32),
    scale: wp.float32,
):
    i = wp.tid()
    a = values[i]
    b, c = soft_step(a, scale)
    d = b - c
    out[i] = d
