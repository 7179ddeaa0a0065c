"""Clouds of the simulated world, and what runs inside their containers."""
