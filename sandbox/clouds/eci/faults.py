"""Faults that a test or a demo plants into the simulated cloud."""

from ..groups.faults import Fault, Faults

__all__ = ["Fault", "Faults"]
