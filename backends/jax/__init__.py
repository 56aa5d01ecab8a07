"""The JAX backend: whole-array jnp and lax source, captured as jaxpr, StableHLO and HLO."""
