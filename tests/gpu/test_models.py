"""Models and random graphs on a real device give what they give on the processor."""

from cuda.test_models import *  # noqa: F403
from cuda.test_random_graphs import *  # noqa: F403
from cuda.test_shapes import *  # noqa: F403
