"""The way people work."""
