"""Loops and branches that are part of the graph."""
