"""Training steps of six models, as symfuse, JAX and PyTorch write them."""
