import warp as wp


@wp.kernel
def project_points(
    rows: wp.array[wp.vec3],
    particles: wp.array[wp.mat33],
    filled: wp.array[wp.vec3],
    response: wp.array[wp.float16],
):
    cell = wp.tid()
    relative = rows[cell]
    drift = (particles[cell] @ relative)[2]
    filled[cell] = relative * drift
    response[cell] = wp.float16(drift)
