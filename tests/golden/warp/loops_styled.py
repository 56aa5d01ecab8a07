import warp as wp


@wp.kernel
def project_points(rows: wp.array[float], mixed: wp.array[float]):
    cell = wp.tid()
    phase = rows[cell]
    acc = phase
    for tap in range(0, 10, 3):
        acc = wp.mul(acc, phase)
    memo = acc
    for j in range(cell):
        memo = memo + rows[j]
    rank = int(0)
    t = int(0)
    while t < 8:
        flagged = memo < 100.0
        if not flagged:
            break
        memo = memo + memo
        rank += t
        t += 1
    for k in range(2):
        mixed[cell] = memo + mixed[cell]
    if rank == cell:
        mixed[cell] = acc
