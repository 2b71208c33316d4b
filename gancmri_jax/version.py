"""The package's version, on its own so that installing need not import JAX."""

__version__ = "0.1.0"
