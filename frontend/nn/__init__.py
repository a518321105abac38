"""Neural networks: `functional` has activations, convolutions and pooling."""

from . import functional

__all__ = ["functional"]
