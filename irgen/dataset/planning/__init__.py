"""Which programs are in a data set, and where."""
