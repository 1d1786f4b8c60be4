"""What the frames of one ensemble say of another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import entr, log_softmax

from mdfit.errors import ReweightingError
from mdfit.models import Parameters
from mdfit.observables import Observable
from mdfit.observables.statistics import statistical_inefficiency
from mdfit.potentials import Potential
from mdfit.reweighting.checks import require_finite, require_weights
from mdfit.reweighting.effective_size import EffectiveSamples, effective_samples
from mdfit.reweighting.frame_values import FrameValues
from mdfit.reweighting.free_energy import FreeEnergyDifference, exponential_average
from mdfit.reweighting.path import along_path
from mdfit.reweighting.tail import LARGEST_SHAPE, ParetoTail, pareto_tail
from mdfit.reweighting.weighted_average import WeightedAverage, average_with_error
from mdfit.reweighting.weights import reduced_energy
from mdfit.simulate import Trajectory
from mdfit.units import quantity

#: Weights that keep this share of the frames are as good as equal.
NEARLY_ALL = 0.98
#: Correlations in time cannot be told from fewer frames of a replica.
FEWEST_FRAMES = 10


@dataclass(frozen=True, eq=False)
class Reweighted:
    """Frames of one ensemble with their weights in another: that of other parameters, temperature or pressure.

    Attributes:
        frames: as functions of the parameters.
        energies: ``(samples,)`` in eV, of the other parameters; samples are the frames of all replicas.
        values: ``(samples, *shape)`` of each observable.
        change: ``(samples,)`` of the reduced energy, from the ensemble of the frames to the other one.
        log_shares: ``(samples,)`` ln of the share of the frames' own ensemble that each stands for.
        replicas: how many the frames are of.
        path: β A of the frames' own ensemble minus that of the first one.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.potentials import ExternalPolynomial
        >>> from mdfit.reweighting import reweight
        >>> from mdfit.simulate import Trajectory
        >>> positions = [[[x, 0, 0]] for x in np.linspace(-0.3, 0.3, 50)]
        >>> frames = Frames([1], [1.0], positions, np.zeros((3, 3)), [False] * 3)
        >>> spring, stiffer = (ExternalPolynomial(0, 0.0, [0, 0, k]) for k in (0.5, 0.6))
        >>> found = reweight(Trajectory.of_frames(frames, temperature=300.0), stiffer, made_by=spring)
        >>> round(float(found.weights.sum()), 3), round(found.effective_size, 1)
        (1.0, 49.7)
    """

    frames: FrameValues
    energies: np.ndarray
    values: tuple[np.ndarray, ...]
    change: np.ndarray
    log_shares: np.ndarray
    replicas: int
    path: FreeEnergyDifference

    def __len__(self) -> int:
        return len(self.energies)

    @cached_property
    def log_weights(self) -> np.ndarray:
        """``(samples,)`` ln of the weights, whose sum is 1."""
        return log_softmax(self.log_shares - self.change)

    @property
    def weights(self) -> np.ndarray:
        """``(samples,)``, of sum 1."""
        return np.exp(self.log_weights)

    @cached_property
    def effective_size(self) -> float:
        """Samples with notable weights, relative to those with notable shares, times the number of frames; at most that."""
        return min(_effective_size(self.log_weights) / _effective_size(self.log_shares), 1.0) * len(self)

    @cached_property
    def effective_samples(self) -> EffectiveSamples:
        """Independent samples that a weighted average rests on, by the correlations of the weights in time."""
        return effective_samples((self.change - self.log_shares).reshape(self.replicas, -1))

    @cached_property
    def tail(self) -> ParetoTail:
        """Of the factors by which weights differ from shares: whether averages can be trusted."""
        return pareto_tail(-self.change)

    @property
    def tail_is_too_heavy(self) -> bool:
        """Whether no feasible number of frames makes averages reliable; false where there are too few to tell."""
        return self.weights_differ and LARGEST_SHAPE <= self.tail.shape < np.inf

    @property
    def weights_differ(self) -> bool:
        """False where the weights are so alike that their tail tells nothing."""
        return self.effective_size < NEARLY_ALL * len(self)

    @cached_property
    def free_energy(self) -> FreeEnergyDifference:
        """β A of the other ensemble minus that of the first one."""
        inefficiency = inefficiency_of(self.change, self.replicas)
        link = exponential_average(self.change, log_weights=self.log_shares, statistical_inefficiency=inefficiency)
        return along_path([self.path, link])

    def average(self, number: int = 0) -> WeightedAverage:
        """Mean and standard error of the values of an observable, in its unit, before :meth:`Observable.combine`.

        Args:
            number: of the observable.

        Raises:
            ReweightingError: a value is not finite.
        """
        values = self.values[number]
        change = (self.change - self.log_shares).reshape(self.replicas, -1)
        return average_with_error(change, values.reshape(self.replicas, -1, *values.shape[1:]))


def _effective_size(log_weights: np.ndarray) -> float:
    """:func:`mdfit.reweighting.effective_size` on the host, where a few numbers are dealt with sooner."""
    return float(np.exp(np.sum(entr(np.exp(log_weights)))))


def inefficiency_of(change: np.ndarray, replicas: int) -> float:
    """How many successive frames are worth one, by changes ``(samples,)`` of the reduced energy; 1 for a few frames."""
    series = np.asarray(change, np.float64).reshape(replicas, -1, 1)
    if series.shape[1] < FEWEST_FRAMES or np.ptp(series) == 0:
        return 1.0
    return float(statistical_inefficiency(series).max())


def reweight(
    trajectory: Trajectory,
    potential: Potential,
    made_by: Potential | None = None,
    *,
    temperature: float | str | None = None,
    pressure: float | str | None = None,
    observables: Sequence[Observable] = (),
) -> Reweighted:
    """The frames of a trajectory in the ensemble of another potential, at another temperature or pressure.

    Args:
        trajectory: canonical, or at constant pressure.
        potential: of the other ensemble.
        made_by: that of the trajectory; by default its stored potential energies count, which are as precise as the
            engine gave them.
        temperature: of the other ensemble in K; by default that of the trajectory.
        pressure: of the other ensemble in bar, for a trajectory at constant pressure; by default that of the trajectory.
        observables: whose averages are asked for.

    Raises:
        ReweightingError: a trajectory of constant energy, a pressure for one of constant volume, observables of
            velocities at another temperature, or energies that are not known or not finite.
        UnknownSpeciesError: for a potential that does not know the atoms.
        ObservableError: an observable has no meaning for the trajectory.
    """
    require_weights(trajectory)
    if pressure is not None and trajectory.ensemble != "NPT":
        raise ReweightingError("Frames of constant volume have no other pressure; simulate at constant pressure.")
    kelvin, bar = _conditions(trajectory, temperature, pressure)
    moving = [observable.name for observable in observables if observable.uses_velocities]
    if moving and kelvin != trajectory.temperature:
        raise ReweightingError(
            f"{moving[0]} depends on velocities, which are those of {trajectory.temperature:g} K; simulate at {kelvin:g} "
            "K, or ask for functions of positions."
        )
    conditions = dataclasses.replace(trajectory.conditions, temperature=kelvin, pressure=bar)
    other = dataclasses.replace(trajectory, conditions=conditions)
    parameters = Parameters.of(potential)
    frames = FrameValues(tuple(observables), other, potential)
    energies, *values = frames.of(parameters)
    if made_by is None:
        own = np.asarray(trajectory.potential_energies, np.float64).reshape(-1)
        if np.isnan(own).any():
            raise ReweightingError(
                "The trajectory does not hold its potential energies; give its potential as made_by."
            )
    else:
        of_maker = Parameters.of(made_by)
        own = FrameValues((), trajectory, made_by).energies(of_maker)
    require_finite(own, "energy of the ensemble of the frames")
    require_finite(energies, "energy of the other ensemble")
    volumes = np.abs(np.linalg.det(np.asarray(trajectory.cells, np.float64))).reshape(-1)
    at_pressure = trajectory.ensemble == "NPT"
    new, old = (
        np.asarray(reduced_energy(e, t, p if at_pressure else None, volumes if at_pressure else None))
        for e, t, p in (
            (energies, kelvin, bar),
            (own, trajectory.temperature, trajectory.pressure),
        )
    )
    equal = np.full(len(energies), -np.log(len(energies)))
    return Reweighted(
        frames, energies, tuple(values), new - old, equal, trajectory.replicas, FreeEnergyDifference.zero()
    )


def _conditions(
    trajectory: Trajectory, temperature: float | str | None, pressure: float | str | None
) -> tuple[float, float | None]:
    """Temperature in K and pressure in bar of the other ensemble."""
    kelvin = trajectory.temperature if temperature is None else float(quantity(temperature, "K", "temperature"))
    return kelvin, trajectory.pressure if pressure is None else float(quantity(pressure, "bar", "pressure"))
