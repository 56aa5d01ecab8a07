"""Data sets checked, and compared."""
