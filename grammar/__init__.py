"""The typed kernel grammar: types, ops, programs, and the generator. Knows no backend."""
