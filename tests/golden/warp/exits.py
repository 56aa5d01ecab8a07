import warp as wp


@wp.func
def falloff(a: wp.float32, b: wp.float32):
    inside = a < 0.0
    if inside:
        return 0.0, -1
    acc = a
    for k in range(8):
        active = acc > b
        if active:
            return acc, k
        m = k - k // 2 * 2
        is_large = m == 1
        if is_large:
            continue
        c = acc + a
        above = c == acc
        if above:
            acc = c
            break
        acc = c
    return acc, 8


@wp.kernel
def update_field(values: wp.array(dtype=wp.float32), out: wp.array(dtype=wp.float32)):
    i = wp.tid()
    acc = values[i]
    inside = acc == 0.0
    if inside:
        return
    a, m = falloff(acc, 3.0)
    k = wp.int32(0)
    while k < 6 and acc < 50.0:
        out[i] = acc
        active = k > m
        if active:
            is_large = acc > 9.0
            if is_large:
                return
            break
        acc = acc + a
        k = k + 1
    out[i] = acc
