import warp as wp


@wp.kernel
def update_field(values: wp.array(dtype=wp.float32), out: wp.array(dtype=wp.float32)):
    i = wp.tid()
    a = values[i]
    acc = a
    for k in range(0, 10, 3):
        acc = acc * a
    total = acc
    for j in range(i):
        b = values[j]
        total = total + b
    m = wp.int32(0)
    s = wp.int32(0)
    while s < 8 and total < 100.0:
        total = total + total
        m = m + s
        s = s + 1
    for t in range(2):
        c = out[i]
        d = total + c
        out[i] = d
    inside = m == i
    if inside:
        out[i] = acc
