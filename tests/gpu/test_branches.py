"""Launches side by side on a real device leave the bits of those in their order."""

from cuda.test_branches import (  # noqa: F401
    planned,
    test_every_order_of_a_graph_gives_the_same_bits,
    test_launches_write_where_they_say,
)
