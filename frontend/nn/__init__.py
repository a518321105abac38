"""Neural networks: `functional` has the activation functions."""

from . import functional

__all__ = ["functional"]
