"""What `benchmarks/gpu.py` measures: the cases, each contender's way to run them, the report."""
