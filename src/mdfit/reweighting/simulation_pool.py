"""Several simulations of one state point, made with different parameters, whose frames are reweighted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from mdfit.errors import ReweightingError
from mdfit.models import Parameters
from mdfit.observables import Observable
from mdfit.observables.frame_effects import frame_effects
from mdfit.observables.statistics import statistical_inefficiency
from mdfit.reweighting.ensemble import Ensemble
from mdfit.reweighting.frame_values import FrameValues
from mdfit.reweighting.multistate import Mixture, multistate
from mdfit.reweighting.reweighted import FEWEST_FRAMES, inefficiency_of
from mdfit.reweighting.samples import SampledFrames, Samples


class PoolState(NamedTuple):
    """The simulations there are: arrays only, for checkpoints.

    Attributes:
        simulations: one for each place.
        made: ``(places,)``, the number of the simulation in each place, in the order in which they were made; 0 for an
            empty place.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import PoolState
        >>> PoolState((), np.asarray([3, 1, 2])).oldest
        1
    """

    simulations: tuple[Samples, ...]
    made: np.ndarray

    @property
    def oldest(self) -> int:
        """The place that the next simulation takes."""
        return int(np.argmin(self.made))

    @property
    def is_empty(self) -> bool:
        return int(np.max(self.made, initial=0)) == 0


@dataclass(frozen=True, eq=False)
class PooledFrames:
    """The frames of all simulations of a pool, one simulation after the other.

    Attributes:
        frames: as functions of the parameters.
        unchanging: values ``(samples, *shape)`` of those observables that do not follow the potential.
        mixture: what the frames are samples of.
        inefficiencies: of each observable, ``(components,)``: how many successive frames are worth one.
        of_energies: the same of the potential energies.
        each: frames of one simulation.

    Example:
        >>> from mdfit import StatePoint, Structure, models, potentials, reweighting, simulate
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]]), "300 K")
        >>> ensemble = reweighting.Ensemble(at, simulate.Langevin("1 fs"), simulate.Lengths(0, 1, 4))
        >>> pool = reweighting.SimulationPool(ensemble, places=2)
        >>> parameters = models.Parameters.of(potentials.ExternalPolynomial(0, 0.0, [0, 0, 0.5]))
        >>> frames = pool.frames(pool.filled([parameters], pool.empty(0, parameters)), parameters)
        >>> frames.each, frames.mixture.counts
        (4, (4, 4))
    """

    frames: FrameValues
    unchanging: tuple[np.ndarray, ...]
    mixture: Mixture
    inefficiencies: tuple[np.ndarray, ...]
    of_energies: float
    each: int


class SimulationPool:
    """So many simulations of one ensemble, each with parameters of its own; a new one takes the place of the oldest.

    Args:
        ensemble: how frames are made, and what is asked of them.
        places: number of simulations.

    Raises:
        ReweightingError: for fewer than one place.

    Example:
        >>> from mdfit import StatePoint, Structure, models, potentials, reweighting, simulate
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]]), "300 K")
        >>> ensemble = reweighting.Ensemble(at, simulate.Langevin("1 fs"), simulate.Lengths(0, 1, 4))
        >>> pool = reweighting.SimulationPool(ensemble, places=2)
        >>> parameters = models.Parameters.of(potentials.ExternalPolynomial(0, 0.0, [0, 0, 0.5]))
        >>> state = pool.filled([parameters], pool.empty(0, parameters))
        >>> pool.renewed(parameters, state).made.tolist()
        [3, 2]
    """

    def __init__(self, ensemble: Ensemble, places: int):
        if places < 1:
            raise ReweightingError(f"A pool holds at least one simulation, not {places}.")
        self.ensemble, self.places = ensemble, places
        self._pooled: tuple[tuple[SampledFrames, ...], PooledFrames] | None = None

    def identity(self) -> tuple[Any, ...]:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.ensemble, self.places

    def empty(self, seed: int, parameters: Parameters) -> PoolState:
        """Before the first simulation; ``parameters`` are an example."""
        keys = jax.random.split(jax.random.key(seed), self.places)
        empty = self.ensemble.empty(seed, parameters)
        simulations = tuple(empty._replace(key=np.asarray(jax.random.key_data(key))) for key in keys)
        return PoolState(simulations, np.zeros(self.places, np.int64))

    def filled(self, parameters: Sequence[Parameters], state: PoolState) -> PoolState:
        """With a simulation in every place, by these parameters in turn.

        Raises:
            SimulationError: when the dynamics explodes.
        """
        for place in range(self.places):
            state = self.renewed(parameters[place % len(parameters)], state)
        return state

    def renewed(self, parameters: Parameters, state: PoolState) -> PoolState:
        """With a new simulation in the place of the oldest one, which it goes on from.

        Raises:
            SimulationError: when the dynamics explodes.
        """
        place, latest = state.oldest, int(np.argmax(state.made))
        before = state.simulations[place]
        if int(before.generation) == 0 and not state.is_empty:
            # The first simulation has equilibrated already.
            before = state.simulations[latest]._replace(key=before.key)
        samples = self.ensemble.renewed(parameters, before).samples
        simulations = (*state.simulations[:place], samples, *state.simulations[place + 1 :])
        made = np.array(state.made)
        made[place] = state.made.max() + 1
        return PoolState(simulations, made)

    def frames(self, state: PoolState, parameters: Parameters) -> PooledFrames:
        """All frames of a full pool, as functions of parameters like these."""
        own = tuple(samples.frames for samples in state.simulations)
        if self._pooled is None or any(a is not b for a, b in zip(self._pooled[0], own, strict=True)):
            self._pooled = (own, self._joined(state, parameters))
        return self._pooled[1]

    def _joined(self, state: PoolState, parameters: Parameters) -> PooledFrames:
        own = [samples.frames for samples in state.simulations]
        together = SampledFrames(*(np.concatenate(columns) for columns in zip(*own, strict=True)))
        ensemble, observables = self.ensemble, self.ensemble.observables
        frames = FrameValues(observables, ensemble.trajectory(together), parameters.combine())
        each = ensemble.replicas * ensemble.lengths.frames
        energies, inefficiencies, of_energies = [], [], []
        unchanging: tuple[np.ndarray, ...] = ()
        for place, samples in enumerate(state.simulations):
            energy, *values = frames.of(parameters._replace(trained=samples.made_by))
            block = slice(place * each, (place + 1) * each)
            energies.append(ensemble.beta * energy)
            of_energies.append(inefficiency_of(energies[-1][block], ensemble.replicas))
            inefficiencies.append(
                [self._inefficiency(one, value[block]) for one, value in zip(observables, values, strict=True)]
            )
            unchanging = tuple(value for value, follows in zip(values, frames.follow, strict=True) if not follows)
        means = tuple(np.mean(column, axis=0) for column in zip(*inefficiencies, strict=True))
        mixture = multistate(np.stack(energies), [each] * self.places)
        return PooledFrames(frames, unchanging, mixture, means, float(np.mean(of_energies)), each)

    def _inefficiency(self, observable: Observable, values: np.ndarray) -> np.ndarray:
        """``(components,)`` of the observable, from ``(samples, *shape)`` of one simulation; 1 for a few frames."""
        replicas = self.ensemble.replicas
        series = values.reshape(replicas, -1, *values.shape[1:])
        effects = frame_effects(observable, series, series.mean(axis=(0, 1)), None).reshape(*series.shape[:2], -1)
        if series.shape[1] < FEWEST_FRAMES:
            return np.ones(effects.shape[-1])
        return statistical_inefficiency(effects)
