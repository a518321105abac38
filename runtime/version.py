"""The version of symfuse."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
