import warp as wp


@wp.func
def falloff(a: wp.float64):
    b = a + wp.float64(0.1)
    c = b + wp.float64(-0.0)
    d = c + wp.float64(1e-05)
    u = d + wp.float64(1.5e300)
    v = u + wp.float64(wp.inf)
    w = v + wp.float64(-wp.inf)
    return w, wp.uint32(4294967295), -2147483648, True
