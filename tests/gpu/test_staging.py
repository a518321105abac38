"""What users write, on a real device: the tests of the simulated one."""

from cuda.test_staging import *  # noqa: F403
