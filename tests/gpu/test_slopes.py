"""The epilogues of derivatives by the real library give what kernels give."""

from cuda.test_slopes import (  # noqa: F401
    everything_is_worth_it,
    test_gradients_are_those_of_kernels,
    test_slopes_of_biases_are_those_of_kernels,
)
