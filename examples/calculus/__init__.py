"""Graphs and calculus."""
