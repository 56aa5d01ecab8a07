import warp as wp


@wp.func
def falloff(bump: float, mid: float):
    if bump < 0.0:
        return 0.0, -1
    accumulated = bump
    for p in range(8):
        if accumulated > mid:
            return accumulated, p
        key = p - p // 2 * 2
        if key == 1:
            continue
        current = accumulated + bump
        if current == accumulated:
            accumulated = current
            break
        accumulated = current
    return accumulated, 8


@wp.kernel
def damp_velocity(coords: wp.array[float], projected: wp.array[float]):
    row = wp.tid()
    gathered = coords[row]
    if gathered == 0.0:
        return
    part, parity = falloff(gathered, 3.0)
    q = int(0)
    while q < 6:
        if not gathered < 50.0:
            break
        projected[row] = gathered
        if q > parity:
            keep = gathered > 9.0
            if keep:
                return
            break
        gathered = gathered + part
        q += 1
    projected[row] = gathered
