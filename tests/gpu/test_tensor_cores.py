"""Products by tensor cores on a real device give what they give on the processor."""

from cuda.test_tensor_cores import (  # noqa: F401
    test_a_function_on_the_simulated_device,
    test_any_number_of_rows_on_the_simulated_device,
    test_singles_lose_digits_only_where_numerics_are_fast,
    without_library,
)
