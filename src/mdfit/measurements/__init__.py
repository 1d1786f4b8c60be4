"""Measured values with their conditions: what simulations are compared with and potentials are trained on."""

from mdfit.measurements.measurement import Measurement
from mdfit.measurements.reading import read

__all__ = ["Measurement", "read"]
