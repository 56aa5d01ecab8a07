"""Settings shared by all tests."""

from hypothesis import settings

# The same examples everywhere; compiling a kernel takes longer than the default deadline.
settings.register_profile("irgen", derandomize=True, deadline=None, database=None)
settings.load_profile("irgen")
