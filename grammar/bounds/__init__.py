"""Values with error bounds: what a backend may hold, lane by lane."""
