"""The frames of an ensemble and what made them: arrays only, for checkpoints."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdfit.reweighting.free_energy import FreeEnergyDifference
from mdfit.simulate.jax_md.simulation import ListSizes


class SampledFrames(NamedTuple):
    """The frames of all replicas of one state point.

    Attributes:
        positions: ``(replicas, frames, atoms, 3)`` in Å.
        velocities: the same shape, Å per internal time unit.
        cells: ``(replicas, frames, 3, 3)`` in Å.
        energies: ``(replicas, frames)`` in eV, those of the parameters that made the frames, evaluated as later ones are.
        stresses: ``(replicas, frames, 3, 3)`` in eV/Å³, as the simulation found them.

    Example:
        >>> import equinox as eqx
        >>> from mdfit import StatePoint, Structure, models, potentials, reweighting, simulate
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]]), "300 K")
        >>> lengths = simulate.Lengths(equilibration=0, between=10, frames=50)
        >>> ensemble = reweighting.Ensemble(at, simulate.Langevin("1 fs"), lengths, replicas=4)
        >>> spring = potentials.ExternalPolynomial(0, 0.0, [0, 0, 0.5])
        >>> parameters = models.Parameters.of(spring)
        >>> frames = ensemble.empty(0, parameters).frames
        >>> frames.positions.shape, frames.energies.shape
        ((4, 50, 1, 3), (4, 50))
    """

    positions: np.ndarray
    velocities: np.ndarray
    cells: np.ndarray
    energies: np.ndarray
    stresses: np.ndarray


class Starts(NamedTuple):
    """Where the replicas of a simulation start; velocities are drawn from their distribution.

    Attributes:
        positions: ``(replicas, atoms, 3)`` in Å.
        cells: ``(replicas, 3, 3)`` in Å.
        log_shares: ``(replicas,)`` ln of the share of the ensemble that each stands for.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import Starts
        >>> starts = Starts(np.zeros((2, 1, 3)), np.zeros((2, 3, 3)), np.log([0.9, 0.1]))
        >>> np.exp(starts.log_shares).round(3).tolist()
        [0.9, 0.1]
    """

    positions: np.ndarray
    cells: np.ndarray
    log_shares: np.ndarray


class Samples(NamedTuple):
    """All that is needed to weigh frames under other parameters, and to simulate new ones.

    Attributes:
        generation: how many simulations have been made; 0 before the first.
        key: raw random key of the next one.
        sizes: of the neighbour lists.
        frames: of the last simulation.
        log_shares: ``(replicas · frames,)`` ln of the share of the ensemble that each frame stands for.
        made_by: the trained parameters that made them.
        free_energy: β A of the parameters that made them minus that of the first ones.

    Example:
        >>> import equinox as eqx
        >>> from mdfit import StatePoint, Structure, models, potentials, reweighting, simulate
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]]), "300 K")
        >>> lengths = simulate.Lengths(equilibration=0, between=10, frames=50)
        >>> ensemble = reweighting.Ensemble(at, simulate.Langevin("1 fs"), lengths, replicas=4)
        >>> spring = potentials.ExternalPolynomial(0, 0.0, [0, 0, 0.5])
        >>> parameters = models.Parameters.of(spring)
        >>> samples = ensemble.empty(0, parameters)
        >>> int(samples.generation), samples.log_shares.shape
        (0, (200,))
    """

    generation: np.ndarray
    key: np.ndarray
    sizes: ListSizes
    frames: SampledFrames
    log_shares: np.ndarray
    made_by: Any
    free_energy: FreeEnergyDifference
