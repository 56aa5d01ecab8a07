"""Targets: any release of Warp or JAX, in an interpreter of its own."""
