import warp as wp


@wp.func
def falloff(bump: float):
    return wp.add(bump, bump)


@wp.func
def safe_ratio(fraction: float, low: float):
    return fraction * low, falloff(low)


@wp.kernel
def reduce_rows(image: wp.array[float], dest: wp.array[float], ratio: float):
    gid = wp.tid()
    target_value, d = safe_ratio(image[gid], ratio)
    dest[gid] = target_value - d
