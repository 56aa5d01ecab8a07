import warp as wp


@wp.kernel
def update_field(
    values: wp.array(dtype=wp.float32),
    out: wp.array(dtype=wp.float32),
    scale: wp.float32,
):
    i = wp.tid()
    m = i - 1
    count_value = wp.max(m, 0)
    a = values[i]
    b = values[count_value]
    c = b - a
    d = scale * c
    u = a + d
    out[i] = u


@wp.kernel
def apply_force(
    values: wp.array(dtype=wp.float32),
    scale: wp.float32,
    weights: wp.array(dtype=wp.float32),
    out: wp.array(dtype=wp.float32),
):
    i = wp.tid()
    a = values[i]
    b = a * scale
    c = weights[i]
    d = b - c
    out[i] = d


def run(values, scale):
    out = wp.clone(values)
    result = wp.zeros(16, dtype=wp.float32, requires_grad=True)
    output, target = out, result
    for k in range(5):
        wp.launch(update_field, dim=16, inputs=[output, target, scale])
        output, target = target, output
    dest = wp.zeros(16, dtype=wp.float32, requires_grad=True)
    wp.launch(apply_force, dim=16, inputs=[output, scale, values], outputs=[dest])
    return output, dest
