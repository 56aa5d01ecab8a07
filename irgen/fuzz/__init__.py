"""Fuzzing: programs are drawn, run, judged; what is wrong is shrunk, sorted and written down."""
