"""Kernel languages: how a program is spelled in each, and what its compiler makes of it."""
