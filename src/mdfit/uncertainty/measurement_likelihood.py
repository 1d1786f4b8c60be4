"""The likelihood of measured averages: reweighted ones with their statistical errors, frames renewed as chains move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from mdfit.errors import TrainingError
from mdfit.measurements import Measurement
from mdfit.models import ModelSet, Parameters
from mdfit.objectives.base import Metrics, point_seed, require_potential
from mdfit.observables import Observable
from mdfit.potentials import Potential
from mdfit.reweighting import Ensemble, PoolState, SimulationPool
from mdfit.simulate import JaxMD, Lengths, Sampler, StatePoint
from mdfit.uncertainty.followed_point import FollowedPoint
from mdfit.uncertainty.measured_point import MeasuredPoint, log_likelihood
from mdfit.uncertainty.measurement_checks import check_measurements, shares_of
from mdfit.uncertainty.posterior import Likelihood, LogLikelihood


class MeasurementLikelihood(Likelihood):
    """Σ over measurements and components of log N(measured; <O>_θ, σ² + s²), s being the statistical error of <O>_θ.

    <O>_θ is the reweighted average (:class:`~mdfit.objectives.DiffTRe`) over the frames of several simulations, taken
    together by the multistate estimator (:func:`mdfit.reweighting.multistate`), and s² the variance of the first-order
    effects of the frames on it times their statistical inefficiency.  Before each update of the chains, the simulation that
    is the oldest gives way to a new one with the parameters of a chain for which the frames are worth too few; so chains
    from different starts all have frames of their own.  Within an update frames stay, and the density falls steeply where
    they are worth a fifth of what they must be at its start: a chain does not go farther than its frames reach, where a
    large s would be mistaken for agreement.  Chains should start near parameters that fit: where all measurements are
    missed by many s, fewer effective frames look like a better fit, and a chain may run away from the posterior; R̂ tells.

    Measurements at the same :class:`~mdfit.simulate.StatePoint` object share simulations.  For a few parameters of a
    classical or spline potential; chains by :class:`~mdfit.uncertainty.NUTS`, best made by
    :func:`~mdfit.uncertainty.laplace_nuts`.  S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021),
    doi:10.1038/s41467-021-27241-4 (reweighting); M. R. Shirts, J. D. Chodera, J. Chem. Phys. 129, 124105 (2008),
    doi:10.1063/1.2978177 (several simulations).

    Args:
        measurements: with their standard uncertainties.
        sampler: ensemble and integrator; one with a temperature.
        sample: length of each simulation, in fs or with a unit.
        every: between saved frames.
        equilibrate: dropped at the start of each simulation.
        replicas: side by side, each as long as ``sample``.
        simulations: at each state point, K; at least as many as there are chains.
        reuse: smallest ratio of the effective frames (Kish) under a chain's parameters to those of one simulation, below
            which a new one is made.
        fewest_samples: independent frames that the smallest number of effective frames must be worth, by the correlation
            time of the potential energies.
        independent: how many independent numbers each measurement is worth, one for each measurement; None for all
            components of observables with labels and for 1 of a curve, whose neighbouring points err together: the safe
            choice, by which a curve counts as much as a single number (as it does in DiffTRe).
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.

    Raises:
        TrainingError: for settings that make no sense; during the chains, when a simulation explodes or is worth too few
            frames.

    Example:
        >>> from ase.build import bulk
        >>> from mdfit import Measurement, StatePoint, Structure
        >>> from mdfit.observables import Pressure
        >>> from mdfit.simulate import Langevin
        >>> from mdfit.uncertainty import MeasurementLikelihood
        >>> at = StatePoint(Structure.from_ase(bulk("Ar", cubic=True)), "90 K")
        >>> measured = [Measurement(Pressure(), "1 bar", at, sigma="50 bar")]
        >>> likelihood = MeasurementLikelihood(measured, Langevin("2 fs"), sample="20 ps", every="0.2 ps")
        >>> likelihood.is_full_batch, likelihood.simulations
        (True, 4)
    """

    number = 1.0
    is_full_batch = True

    def __init__(
        self,
        measurements: Sequence[Measurement],
        sampler: Sampler,
        *,
        sample: str | float,
        every: str | float,
        equilibrate: str | float = 0.0,
        replicas: int = 1,
        simulations: int = 4,
        reuse: float = 0.5,
        fewest_samples: float = 5.0,
        independent: Sequence[float | None] | None = None,
        engine: JaxMD | None = None,
    ):
        check_measurements(measurements, sampler)
        if simulations < 1:
            raise TrainingError(f"simulations is their number at each state point, at least 1, not {simulations}.")
        if not 0 < reuse <= 1:
            raise TrainingError(f"reuse is a ratio of frames in (0, 1], not {reuse}.")
        if not fewest_samples >= 1:
            raise TrainingError(f"fewest_samples is a number of independent frames, at least 1, not {fewest_samples}.")
        self.simulations, self._reuse, self._fewest = simulations, reuse, fewest_samples
        shares = shares_of(measurements, independent)
        lengths = Lengths.of(sample, every, equilibrate, sampler.timestep_fs)
        points: dict[int, StatePoint] = {id(m.at): m.at for m in measurements}
        self._points = []
        for at in points.values():
            own = [(m, share) for m, share in zip(measurements, shares, strict=True) if m.at is at]
            observables = [m.observable for m, _ in own if isinstance(m.observable, Observable)]
            ensemble = Ensemble(
                at, sampler, lengths, replicas, observables=observables, engine=engine, free_energies=False
            )
            self._points.append(FollowedPoint(SimulationPool(ensemble, simulations), own, reuse, fewest_samples))

    def identity(self) -> tuple[Any, ...]:
        """See :func:`mdfit.storage.fingerprint`."""
        measured = [(point.pool, point.measurements, point.shares) for point in self._points]
        return self.simulations, self._reuse, self._fewest, measured

    def initial_state(self, seed: int, model: Potential) -> tuple[PoolState, ...]:
        parameters = Parameters.of(require_potential("MeasurementLikelihood", model))
        return tuple(point.pool.empty(point_seed(seed, index), parameters) for index, point in enumerate(self._points))

    def follow(self, models: ModelSet, state: tuple[PoolState, ...]) -> tuple[tuple[PoolState, ...], Metrics]:
        """New simulations where a chain has too few frames.

        ``effective_size`` is the least ratio of effective frames to those of one simulation over the chains, and
        ``renewals`` how many simulations were made; of each state point where there are several.

        Raises:
            TrainingError: when a simulation explodes or is worth too few frames, and for more chains than simulations.
        """
        if len(models) > self.simulations:
            raise TrainingError(
                f"{len(models)} chains share {self.simulations} simulations, so that they would take the frames from each "
                f"other; give simulations={len(models)} or more."
            )
        states, metrics = [], {}
        for index, (point, old) in enumerate(zip(self._points, state, strict=True)):
            new, ratio = point.followed(models, old)
            states.append(new)
            prefix = f"{index}/" if len(self._points) > 1 else ""
            metrics[f"{prefix}effective_size"] = jnp.asarray(ratio)
            metrics[f"{prefix}renewals"] = jnp.asarray(float(new.made.max() - old.made.max()))
        return tuple(states), metrics

    def draw(
        self, model: Potential, state: tuple[PoolState, ...]
    ) -> tuple[tuple[MeasuredPoint, ...], tuple[PoolState, ...]]:
        """The frames; simulations are made with ``model`` where there are none."""
        full = tuple(point.filled([Parameters.of(model)], own) for point, own in zip(self._points, state, strict=True))
        return tuple(point.measured(model, own) for point, own in zip(self._points, full, strict=True)), full

    @property
    def pure(self) -> LogLikelihood:
        return log_likelihood
