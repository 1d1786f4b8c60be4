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
from mdfit.observables.statistics import windowed_inefficiency
from mdfit.reweighting.ensemble import Ensemble
from mdfit.reweighting.frame_values import FrameValues
from mdfit.reweighting.multistate import Mixture, multistate
from mdfit.reweighting.reweighted import FEWEST_FRAMES
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
        energies: list[np.ndarray] = []
        effects: list[list[np.ndarray]] = [[] for _ in range(1 + len(observables))]
        unchanging: tuple[np.ndarray, ...] = ()
        for place, samples in enumerate(state.simulations):
            energy, *values = frames.of(parameters._replace(trained=samples.made_by))
            block = slice(place * each, (place + 1) * each)
            energies.append(ensemble.beta * energy)
            effects[0].append(self._deviations(energy[block]))
            for column, one, value in zip(effects[1:], observables, values, strict=True):
                column.append(self._effects(one, value[block]))
            unchanging = tuple(value for value, follows in zip(values, frames.follow, strict=True) if not follows)
        of_energies, *inefficiencies = (_inefficiency(np.concatenate(column)) for column in effects)
        mixture = multistate(np.stack(energies), [each] * self.places)
        return PooledFrames(frames, unchanging, mixture, tuple(inefficiencies), float(of_energies[0]), each)

    def _effects(self, observable: Observable, values: np.ndarray) -> np.ndarray:
        """``(replicas, frames, components)``: what the frames of one simulation add to the observable."""
        series = values.reshape(self.ensemble.replicas, -1, *values.shape[1:])
        return self._deviations(frame_effects(observable, series, series.mean(axis=(0, 1)), None))

    def _deviations(self, values: np.ndarray) -> np.ndarray:
        """From the mean of one simulation, ``(replicas, frames, components)``."""
        series = values.reshape(self.ensemble.replicas, self.ensemble.lengths.frames, -1)
        return series - series.mean(axis=(0, 1))


def _inefficiency(deviations: np.ndarray) -> np.ndarray:
    """``(components,)`` from ``(replicas, frames, components)`` of all simulations; 1 where frames are few.

    By the window of the autocorrelation, pooled over all simulations: from each of them alone it would be too uncertain.
    """
    if deviations.shape[1] < FEWEST_FRAMES:
        return np.ones(deviations.shape[-1])
    return np.maximum(windowed_inefficiency(deviations), 1.0)
