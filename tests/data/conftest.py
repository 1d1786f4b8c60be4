"""Trajectories as earlier versions wrote them."""

import numpy as np
import pytest

from mdfit.data import h5md
from mdfit.data.frames import Frames

PLACES = {
    "positions": ("particles/{}/position", "Å"),
    "forces": ("particles/{}/force", "eV Å-1"),
    "cells": ("particles/{}/box/edges", "Å"),
    "energies": ("observables/{}/potential_energy", "eV"),
}


def _write(file, particles: str, frames: Frames, steps: np.ndarray, timestep: float) -> None:
    h5md.write_header(file)
    group = h5md.write_particles(file, particles, frames.species, frames.masses, frames.periodic)
    group["names"] = np.zeros(0, "S1")
    file[f"connectivity/{particles}/constraints"] = frames.constraints
    file.require_group("parameters").attrs["temperature"] = frames.temperature
    for name, (place, unit) in PLACES.items():
        values = getattr(frames, name)
        if values is not None:
            h5md.create_element(file, place.format(particles), values.shape[1:], values.dtype, unit)
            h5md.append(h5md.element(file, place.format(particles)), 0, values, steps, timestep)


@pytest.fixture(scope="session")
def write_frames():
    """Writes frames at these steps (time step in fs) into an open HDF5 file, temperature and constraints as version 0.3."""
    return _write
