"""What holds on the simulated device holds on a real one: the same tests, run there."""

from cuda.test_arrays import *  # noqa: F403
from cuda.test_runtime import *  # noqa: F403
