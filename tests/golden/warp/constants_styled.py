import warp as wp


@wp.func
def falloff(bump: wp.float64):
    mid = wp.add(wp.add(bump, wp.float64(0.1)), wp.float64(-0.0))
    return (
        wp.add(
            wp.add(mid + wp.float64(1e-05), wp.float64(1.5e300)) + wp.float64(wp.inf),
            wp.float64(-wp.inf),
        ),
        wp.uint32(4294967295),
        -2147483648,
        True,
    )
