import warp as wp


@wp.kernel
def project_points(particles: wp.array2d[float], filled: wp.array2d[float]):
    cell, col = wp.tid()
    magnitude = particles[wp.min(cell + 1, 7), col]
    filled[cell, col] = magnitude - particles[cell, col]
