"""NVIDIA Warp: capture of the C++ and CUDA text below kernel programs."""
