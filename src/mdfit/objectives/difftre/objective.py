"""Differentiable trajectory reweighting: learning from averages, without derivatives through the dynamics.

S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from mdfit.errors import TrainingError
from mdfit.measurements import Measurement
from mdfit.models import Parameters
from mdfit.objectives.base import Evaluation, Metrics, Objective, Step, point_seed, require_potential
from mdfit.objectives.difftre.gauss_newton import damped_step
from mdfit.objectives.difftre.targets import Constants, Outcome, Targets
from mdfit.observables import FreeEnergy
from mdfit.observables.statistics import windowed_inefficiency
from mdfit.potentials import Potential
from mdfit.reweighting import Ensemble, Outlook, Reweighted, Samples, thermal_energy
from mdfit.reweighting.frame_values import FrameTree
from mdfit.simulate import JaxMD, Lengths, Sampler, StatePoint

log = logging.getLogger(__name__)


class DiffTRe(Objective):
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

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Measurement, StatePoint, Structure
        >>> from mdfit.objectives import DiffTRe
        >>> from mdfit.observables import Density
        >>> from mdfit.simulate import NPT
        >>> at = StatePoint(Structure.from_ase(bulk("Si", cubic=True)), "300 K", "1 bar")
        >>> density = Measurement(Density(), "2.33 g/cm^3", at, sigma="0.01 g/cm^3")
        >>> DiffTRe([density], NPT("1 fs"), sample="10 ps", every="0.1 ps", gauss_newton=0.01).takes_steps
        True
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
        if sampler.ensemble == "NVE":
            raise TrainingError(
                "DiffTRe weighs frames by their probability at a temperature, which those of NVE do not have; use "
                "Langevin, Brownian, NoseHoover or NPT."
            )
        if sampler.ensemble != "NVT" and any(isinstance(m.observable, FreeEnergy) for m in measurements):
            raise TrainingError(
                f"FreeEnergy is of the ensemble NVT, but the sampler is {sampler.ensemble}; use Langevin, Brownian or "
                "NoseHoover."
            )
        self._reuse, self._step_ratio, self._fewest = reuse, step_ratio, fewest_samples
        self._gauss_newton, self._sizes = gauss_newton, parameter_sizes
        self.takes_steps = gauss_newton is not None
        lengths = Lengths.of(sample, every, equilibrate, sampler.timestep_fs)
        points: dict[int, StatePoint] = {id(m.at): m.at for m in measurements}
        self._points = []
        for at in points.values():
            targets = Targets([m for m in measurements if m.at is at], 1 / float(thermal_energy(at.temperature)))
            ensemble = Ensemble(
                at,
                sampler,
                lengths,
                replicas,
                observables=targets.observables,
                engine=engine,
                free_energies=bool(targets.others),
            )
            self._points.append(_Point(ensemble, targets))

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[PointState, ...]:
        require_potential("DiffTRe", parameters.combine())
        return tuple(
            PointState(
                point.ensemble.empty(point_seed(seed, index), parameters), np.full(len(point.targets.others), np.nan)
            )
            for index, point in enumerate(self._points)
        )

    def draw(
        self, parameters: Parameters, state: tuple[PointState, ...]
    ) -> tuple[tuple[Drawn, ...], tuple[PointState, ...]]:
        """The frames at hand; new trajectories are made where the old ones are worth too little."""
        drawn, states = [], []
        for point, old in zip(self._points, state, strict=True):
            new, outlook = self._at_hand(point, parameters, old)
            drawn.append(Drawn(outlook.reweighted.frames.tree(), _constants(new)))
            states.append(new)
        return tuple(drawn), tuple(states)

    def loss(self, model: Potential, batch: tuple[Drawn, ...]) -> tuple[Float[Array, ""], Metrics]:
        losses: list[jax.Array] = []
        metrics: Metrics = {}
        for index, (point, own) in enumerate(zip(self._points, batch, strict=True)):
            loss, named = point.targets.loss(own.frames.values(model), own.constants)
            losses.append(loss)
            metrics |= {self._prefix(index) + name: value for name, value in named.items()}
        return jnp.sum(jnp.stack(losses)), metrics

    def evaluate(
        self, parameters: Parameters, state: tuple[PointState, ...]
    ) -> tuple[Evaluation | Step, tuple[PointState, ...]]:
        """Loss and gradient, batch by batch, so that memory does not grow with the number of frames."""
        outcomes, states = [], []
        metrics: dict[str, Any] = {}
        for index, (point, old) in enumerate(zip(self._points, state, strict=True)):
            new, outlook = self._at_hand(point, parameters, old)
            outcome = point.targets.outcome(outlook.reweighted, _constants(new))
            metrics |= {
                self._prefix(index) + name: value for name, value in (outlook.metrics | outcome.metrics).items()
            }
            outcomes.append(outcome)
            states.append(new)
        loss = jnp.sum(jnp.stack([outcome.loss for outcome in outcomes]))
        kind = Step if self.takes_steps else Evaluation
        return kind(loss, self._direction(parameters, outcomes), metrics), tuple(states)

    def _prefix(self, index: int) -> str:
        return f"{index}/" if len(self._points) > 1 else ""

    def _at_hand(self, point: _Point, parameters: Parameters, state: PointState) -> tuple[PointState, Outlook]:
        """Frames that are worth enough, and how their free energy compares with the measured ones."""
        outlook = point.ensemble.at_hand(parameters, state.samples, self._reuse)
        offsets = state.offsets
        if outlook.recomputed:
            _check_number(outlook.reweighted, self._fewest, point.ensemble.where)
        if np.isnan(offsets).any():
            offsets = _offsets(point, parameters, outlook.samples)
        return PointState(outlook.samples, offsets), outlook

    def _direction(self, parameters: Parameters, outcomes: list[Outcome]) -> Any:
        """The gradient, or a Gauss–Newton step in its place."""
        if self._gauss_newton is None:
            gradients = [o.view.frames.pull_back(parameters, o.slopes) for o in outcomes]
            return jax.tree.map(lambda *leaves: sum(leaves[1:], start=leaves[0]), *gradients)
        targets = [point.targets for point in self._points]
        residuals = np.concatenate([t.deviations(o) for t, o in zip(targets, outcomes, strict=True)])
        jacobian = np.concatenate(
            [
                o.view.frames.jacobian(parameters, t.slopes_of_deviations(o))
                for t, o in zip(targets, outcomes, strict=True)
            ]
        )
        flat, unravel = ravel_pytree(parameters.trained)
        sizes = _flat_sizes(self._sizes, parameters.trained)
        return unravel(jnp.asarray(damped_step(residuals, jacobian, self._gauss_newton, sizes), flat.dtype))

    def step_fraction(self, parameters: Parameters, proposed: Any, state: tuple[PointState, ...]) -> float:
        """How much of the step to the ``proposed`` trained parameters keeps enough effective frames."""
        if self._step_ratio is None:
            return 1.0
        return min(
            point.ensemble.step_fraction(parameters, proposed, own.samples, self._step_ratio)
            for point, own in zip(self._points, state, strict=True)
        )


class PointState(NamedTuple):
    """What there is of one state point; arrays only, for checkpoints.

    Attributes:
        samples: its frames.
        offsets: β A of the first parameters minus that of the other potential of each measured free energy; NaN before
            the first simulation.
    """

    samples: Samples
    offsets: np.ndarray


class Drawn(NamedTuple):
    """The frames of one state point, and what predictions depend on beside them."""

    frames: FrameTree
    constants: Constants


class _Point(NamedTuple):
    """One state point: its ensemble, and what was measured there."""

    ensemble: Ensemble
    targets: Targets


def _constants(state: PointState) -> Constants:
    samples = state.samples
    free_energies = state.offsets + np.asarray(samples.free_energy.difference)
    return Constants(samples.frames.energies.reshape(-1), samples.log_shares, free_energies)


def _offsets(point: _Point, parameters: Parameters, samples: Samples) -> np.ndarray:
    keys = jax.random.split(
        jax.random.fold_in(jax.random.wrap_key_data(jnp.asarray(samples.key)), 1), len(point.targets.others)
    )
    found = [
        point.ensemble.difference_from(other, parameters, samples, key)
        for other, key in zip(point.targets.others, keys, strict=True)
    ]
    for difference in found:
        for warning in difference.warnings:
            log.warning("Free energy at %s: %s.", point.ensemble.where, warning)
    return np.asarray([float(one.difference) for one in found])


def _check_number(view: Reweighted, fewest: float, where: str) -> None:
    """Raises TrainingError for a new trajectory of too few independent frames."""
    energies = view.energies.reshape(view.replicas, -1, 1)
    # By the window, which is too kind to short runs: a few frames too many are no harm where the next step has others.
    samples = energies.size / max(float(windowed_inefficiency(energies)[0]), 1.0)
    if samples < fewest:
        raise TrainingError(
            f"The trajectory at {where} is worth {samples:.1f} independent frames by its potential energies, but "
            f"{fewest:g} are asked for; sample longer, equilibrate longer or use more replicas."
        )


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
