"""Measuring: interleaved rounds, the machine's limits, and the standing suite."""
