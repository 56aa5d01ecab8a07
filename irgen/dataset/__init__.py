"""Data sets: planned, built in shards, described, checked. See `docs/datasets.md`."""
