"""NVIDIA Warp: the compiler fails on what it accepted.

Well defined: no index out of bounds, no integer overflow, no race, loops end.
Exit code: 1 if the bug shows, 0 if not, 2 if it cannot run here.
"""

import sys


def fail(*error):
    """Whatever is raised is the bug, but for a package that is not installed."""
    sys.__excepthook__(*error)
    sys.exit(2 if issubclass(error[0], ImportError) else 1)


sys.excepthook = fail

import numpy as np
import warp as wp

wp.set_device("cpu")


@wp.kernel
def update_field(out: wp.array(dtype=wp.float32)):
    i = wp.tid()
    acc = wp.float32(0.0)
    for k in range(1):
        m = k + i
        a = wp.float64(k)
        b = wp.float32(m)
        c = wp.float32(a)
        acc = b + c
    out[i] = acc


out = wp.zeros(1, dtype=wp.float32)
wp.launch(update_field, dim=1, inputs=[], outputs=[out])
print("out:", out.numpy())
