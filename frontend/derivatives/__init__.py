"""Functions that bring their own derivatives along."""
