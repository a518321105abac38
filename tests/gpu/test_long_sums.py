"""Products in pieces, and with several blocks on their way, on a real device."""

from cuda.test_deep_products import test_a_function_on_the_simulated_device  # noqa: F401
from cuda.test_forms import test_forms_survive_in_files, without_library  # noqa: F401
