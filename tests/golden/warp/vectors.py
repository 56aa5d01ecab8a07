import warp as wp


@wp.kernel
def update_field(
    values: wp.array(dtype=wp.vec3),
    weights: wp.array(dtype=wp.mat33),
    out: wp.array(dtype=wp.vec3),
    result: wp.array(dtype=wp.float16),
):
    i = wp.tid()
    vec = values[i]
    mat = weights[i]
    direction = mat @ vec
    a = direction[2]
    normal = a * vec
    out[i] = normal
    b = wp.float16(a)
    result[i] = b
