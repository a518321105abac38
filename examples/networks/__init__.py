"""Multilayer networks and their parts."""
