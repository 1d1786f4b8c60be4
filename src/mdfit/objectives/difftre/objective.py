"""Differentiable trajectory reweighting: learning from averages, without derivatives through the dynamics.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from mdfit.errors import SimulationError, TrainingError
from mdfit.measurements import Measurement
from mdfit.objectives.base import Combinable, Evaluation, Parameters
from mdfit.objectives.difftre.gauss_newton import damped_step
from mdfit.objectives.frame_values import FrameValues
from mdfit.objectives.reference_trajectories import Reference, ReferenceSampler
from mdfit.objectives.step_halving import largest_fraction
from mdfit.observables.statistics import windowed_inefficiency
from mdfit.reweighting import average, effective_size, log_weights, thermal_energy
from mdfit.simulate import JaxMD, Lengths, Sampler, StatePoint


class DiffTRe(Combinable):
    """Sum over the measurements of how far reweighted averages are from them.

    L(θ) = Σ_k χ²_k(<O_k>_θ), with <O>_θ = Σ_i w_i O(S_i, θ) over frames S_i of a reference trajectory made with
    parameters θ̂, and w_i ∝ exp(−[U_θ(S_i) − U_θ̂(S_i)]/k_BT).  The gradient contains both the change of the weights and
    the explicit dependence of O on θ.  A trajectory is used again while the effective number of frames stays above
    ``reuse`` times their number; else a new one starts where the last one ended.

    Measurements at the same :class:`~mdfit.simulate.StatePoint` object share a trajectory.

    Args:
        measurements: the targets.
        sampler: ensemble and integrator.
        sample: length of a reference trajectory, in fs or with a unit.
        every: between saved frames.
        equilibrate: dropped at the start of each trajectory.
        replicas: side by side, each as long as ``sample``.
        reuse: smallest ratio of effective to all frames with which a trajectory is used again.
        step_ratio: an update is shortened so that it leaves at least this share of the effective frames; None
            switches the limit off.  :func:`mdfit.fit` asks for it.
        gauss_newton: damping (0.01, say) of Gauss–Newton steps, which then stand in place of the gradient, for
            ``optax.sgd(1.0)`` or less: a handful of updates instead of hundreds, each of which costs as many gradients as
            there are components of measurements or, of distributions of large systems, about one.  Not in sums with other
            objectives.
        parameter_sizes: makes of the trained parameters a tree like them with the changes, numbers or arrays, that are
            deemed equally large: Gauss–Newton steps are the shortest ones in these units.  A spline in eV beside a network
            would otherwise take nearly all of each step.  None takes 1 for all.
        fewest_samples: independent frames that a new trajectory must be worth, judged by the windowed correlation time of
            its potential energies.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.

    Raises:
        TrainingError: for settings out of range, and for a trajectory with too few independent frames.
        SimulationError: when the dynamics explodes or values are not finite; :func:`mdfit.fit` then takes back a part of
            the last update.
    """

    steps_per_epoch = 1

    def __init__(
        self,
        measurements: Sequence[Measurement],
        sampler: Sampler,
        *,
        sample: str | float,
        every: str | float,
        equilibrate: str | float = 0.0,
        replicas: int = 1,
        reuse: float = 0.9,
        step_ratio: float | None = None,
        gauss_newton: float | None = None,
        parameter_sizes: Callable[[Any], Any] | None = None,
        fewest_samples: float = 5.0,
        engine: JaxMD | None = None,
    ):
        if not measurements:
            raise TrainingError("DiffTRe needs at least one measurement.")
        if not 0 < reuse <= 1 or not (step_ratio is None or 0 < step_ratio < 1):
            raise TrainingError(f"reuse must be in (0, 1] and step_ratio in (0, 1), not {reuse} and {step_ratio}.")
        if gauss_newton is not None and not gauss_newton >= 0:
            raise TrainingError(f"gauss_newton is a damping of at least 0, not {gauss_newton}.")
        if parameter_sizes is not None and gauss_newton is None:
            raise TrainingError(
                "parameter_sizes are those of Gauss-Newton steps; give gauss_newton, or leave them out."
            )
        self._reuse, self._step_ratio, self._fewest = reuse, step_ratio, fewest_samples
        self._gauss_newton, self._sizes = gauss_newton, parameter_sizes
        self.takes_steps = gauss_newton is not None
        lengths = Lengths.of(sample, every, equilibrate, sampler.timestep_fs)
        points: dict[int, StatePoint] = {id(m.at): m.at for m in measurements}
        self._points = [
            _Point(
                ReferenceSampler(at, sampler, lengths, replicas, engine),
                tuple(m for m in measurements if m.at is at),
            )
            for at in points.values()
        ]

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[Reference, ...]:
        return tuple(point.sampler.empty(seed + index) for index, point in enumerate(self._points))

    def evaluate(
        self, parameters: Parameters, state: tuple[Reference, ...]
    ) -> tuple[Evaluation, tuple[Reference, ...]]:
        """Loss and gradient; new trajectories are made where the old ones are worth too little."""
        outcomes = [
            point.evaluate(parameters, reference, self._reuse, self._fewest)
            for point, reference in zip(self._points, state, strict=True)
        ]
        metrics: dict[str, Any] = {}
        for index, outcome in enumerate(outcomes):
            prefix = f"{index}/" if len(outcomes) > 1 else ""
            metrics |= {prefix + name: value for name, value in outcome.metrics.items()}
        loss = jnp.sum(jnp.stack([outcome.loss for outcome in outcomes]))
        evaluation = Evaluation(loss, self._direction(parameters, outcomes), metrics, self.takes_steps)
        return evaluation, tuple(o.reference for o in outcomes)

    def _direction(self, parameters: Parameters, outcomes: list[_Outcome]) -> Any:
        """The gradient, or a Gauss–Newton step in its place."""
        if self._gauss_newton is None:
            gradients = [o.frames.pull_back(parameters, o.slopes) for o in outcomes]
            return jax.tree.map(lambda *leaves: sum(leaves[1:], start=leaves[0]), *gradients)
        linear = [point.linearised(parameters, o) for point, o in zip(self._points, outcomes, strict=True)]
        residuals, jacobian = (np.concatenate(parts) for parts in zip(*linear, strict=True))
        flat, unravel = ravel_pytree(parameters.trained)
        sizes = _flat_sizes(self._sizes, parameters.trained)
        return unravel(jnp.asarray(damped_step(residuals, jacobian, self._gauss_newton, sizes), flat.dtype))

    def step_fraction(self, parameters: Parameters, proposed: Any, state: tuple[Reference, ...]) -> float:
        """How much of the step to the ``proposed`` trained parameters keeps enough effective frames."""
        if self._step_ratio is None:
            return 1.0
        fractions = [
            point.step_fraction(parameters, proposed, reference, self._step_ratio)
            for point, reference in zip(self._points, state, strict=True)
        ]
        return min(fractions)


class _Outcome(NamedTuple):
    """The loss at one state point, and what its derivative follows from: the values of the frames and its slopes."""

    loss: jax.Array
    metrics: dict[str, Any]
    reference: Reference
    frames: FrameValues
    values: tuple[np.ndarray, ...]
    slopes: tuple[Any, ...]


class _Point:
    """One state point: its sampler, its measurements, and the values of the frames at hand."""

    def __init__(self, sampler: ReferenceSampler, measurements: tuple[Measurement, ...]):
        self.sampler, self.measurements = sampler, measurements
        self._kT = float(thermal_energy(sampler.state_point.temperature))
        self._names = _distinct([m.observable.name for m in measurements])
        self._loss = jax.jit(jax.value_and_grad(self._loss_of_values, has_aux=True))
        self._deviations = jax.jit(self._deviations_of_values)
        self._slopes = jax.jit(jax.jacrev(self._deviations_of_changing), static_argnums=3)
        self._frames: tuple[Reference, FrameValues] | None = None

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.sampler, self.measurements

    def evaluate(self, parameters: Parameters, reference: Reference, reuse: float, fewest: float) -> _Outcome:
        recomputed = False
        if reference.generation > 0:
            values = self._values(reference, parameters).of(parameters)
            size = self._effective_size(values[0], reference)
        if reference.generation == 0 or not size >= reuse * self._samples(reference):
            reference, values = self._renewed(parameters, reference, fewest)
            recomputed, size = True, float(self._samples(reference))
        energies = reference.frames[3].reshape(-1)
        slopes: tuple[Any, ...]
        (loss, (parts, predictions)), slopes = self._loss(values, energies)
        metrics = {"effective_size": jnp.asarray(size), "recomputed": jnp.asarray(float(recomputed))}
        for measurement, name, part, prediction in zip(self.measurements, self._names, parts, predictions, strict=True):
            metrics[f"loss/{name}"] = part
            if prediction.ndim == 0:
                metrics[name] = prediction
            for index, label in enumerate(measurement.observable.labels):
                metrics[f"{name}/{label}"] = prediction[index]
        return _Outcome(loss, metrics, reference, self._values(reference, parameters), values, slopes)

    def linearised(self, parameters: Parameters, outcome: _Outcome) -> tuple[np.ndarray, np.ndarray]:
        """The deviations whose squares add to the loss, and their derivatives by the parameters, one row each."""
        energies, follow = outcome.reference.frames[3].reshape(-1), (True, *outcome.frames.follow)
        changing = tuple(value for value, follows in zip(outcome.values, follow, strict=True) if follows)
        slopes = self._slopes(changing, outcome.values, energies, follow)
        deviations = np.asarray(self._deviations(outcome.values, energies))
        return deviations, outcome.frames.jacobian(parameters, slopes)

    def step_fraction(self, parameters: Parameters, proposed: Any, reference: Reference, ratio: float) -> float:
        def size(at: Parameters) -> float:
            return self._effective_size(self._values(reference, at).energies(at), reference)

        return largest_fraction(size, parameters, proposed, ratio * size(parameters))

    def _renewed(self, parameters: Parameters, reference: Reference, fewest: float):
        """A new trajectory, and the values of its frames."""
        potential = parameters.combine()
        reference = self.sampler.renewed(potential, reference)
        frames = self._values(reference, parameters)
        values = frames.of(parameters)
        if not all(np.isfinite(value).all() for value in values):
            raise SimulationError(
                f"Energies or observables of the trajectory at {self._where} are not finite; start from another "
                "potential or choose a smaller learning rate. The parameters before this step are kept."
            )
        own = values[0].reshape(reference.frames[3].shape)
        reference = reference._replace(frames=(*reference.frames[:3], own, *reference.frames[4:]))
        self._frames = (reference, frames)
        # By the window, which is too kind to short runs: a few frames too many are no harm where the next step has others.
        samples = own.size / max(float(windowed_inefficiency(own[..., None])[0]), 1.0)
        if samples < fewest:
            raise TrainingError(
                f"The trajectory at {self._where} is worth {samples:.1f} independent frames by its potential energies, "
                f"but {fewest:g} are asked for; sample longer, equilibrate longer or use more replicas."
            )
        return reference, values

    def _values(self, reference: Reference, parameters: Parameters) -> FrameValues:
        if self._frames is None or self._frames[0].frames is not reference.frames:
            self._frames = (reference, self._values_of(reference, parameters))
        return self._frames[1]

    def _values_of(self, reference: Reference, parameters: Parameters) -> FrameValues:
        observables = tuple(m.observable for m in self.measurements)
        return FrameValues(observables, self.sampler.trajectory(reference), parameters.combine())

    def _effective_size(self, energies: np.ndarray, reference: Reference) -> float:
        change = (energies - reference.frames[3].reshape(-1)) / self._kT
        return float(effective_size(log_weights(change)))

    def _predictions(self, values, reference_energies) -> list[jax.Array]:
        energies, *observed = values
        weights = log_weights((energies - reference_energies) / self._kT)
        return [
            m.observable.combine(average(weights, value)) for m, value in zip(self.measurements, observed, strict=True)
        ]

    def _loss_of_values(self, values, reference_energies):
        predictions = self._predictions(values, reference_energies)
        parts = [m.chi_square(prediction) for m, prediction in zip(self.measurements, predictions, strict=True)]
        return sum(parts[1:], start=parts[0]), (parts, predictions)

    def _deviations_of_values(self, values, reference_energies):
        predictions = self._predictions(values, reference_energies)
        return jnp.concatenate([m.deviations(p) for m, p in zip(self.measurements, predictions, strict=True)])

    def _deviations_of_changing(self, changing, values, reference_energies, follow: tuple[bool, ...]):
        """A function of those values alone that follow the potential."""
        new = iter(changing)
        joined = tuple(next(new) if follows else value for value, follows in zip(values, follow, strict=True))
        return self._deviations_of_values(joined, reference_energies)

    @property
    def _where(self) -> str:
        return f"{self.sampler.state_point.temperature:g} K"

    @staticmethod
    def _samples(reference: Reference) -> int:
        return reference.frames[3].size


def _flat_sizes(sizes: Callable[[Any], Any] | None, trained: Any) -> np.ndarray | float:
    """In the order of ``ravel_pytree``."""
    if sizes is None:
        return 1.0
    try:
        filled = jax.tree.map(lambda leaf, size: jnp.broadcast_to(size, jnp.shape(leaf)), trained, sizes(trained))
    except ValueError as error:
        raise TrainingError(
            "parameter_sizes must return a tree like the trained parameters, with a number or an array in place of each."
        ) from error
    flat = np.asarray(ravel_pytree(filled)[0], np.float64)
    if not np.all(np.isfinite(flat) & (flat > 0)):
        raise TrainingError("parameter_sizes must all be finite and larger than 0.")
    return flat


def _distinct(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} {names[:i].count(name) + 1}" for i, name in enumerate(names)]
