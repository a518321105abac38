"""Every operation gives on a real device what its NumPy reference gives."""

from cuda.test_contracts import *  # noqa: F403
