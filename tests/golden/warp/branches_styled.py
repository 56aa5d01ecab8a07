import warp as wp


@wp.kernel
def project_points(rows: wp.array[float], mixed: wp.array[float]):
    cell = wp.tid()
    phase = rows[cell]
    above = phase > 0.0
    if above:
        if phase > 2.0:
            current = 2.0
        else:
            current = phase
        parity = 1
    else:
        current = wp.neg(phase)
        parity = -1
    if parity < cell:
        mixed[cell] = current
