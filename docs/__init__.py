"""The documentation. `python -m docs.generate` rewrites what is generated in it."""
