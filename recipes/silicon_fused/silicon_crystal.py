"""The crystal at 300 K in a simulation of its own, and the errors on the DFT test set."""

from __future__ import annotations

import jax
from silicon_targets import DFT, INTERVAL, TEMPERATURE, Settings, crystal, sampler

import mdfit as mf
from mdfit.objectives.accuracy import accuracy
from mdfit.observables import ElasticConstants, Pressure
from mdfit.potentials import Potential
from mdfit.recipes.metrics import Metric, Metrics, accuracy_metrics
from mdfit.units import BAR, GIGAPASCAL


def crystal_metrics(potential: Potential, settings: Settings, seed: int, show_progress: bool) -> Metrics:
    """Pressure and elastic constants in GPa at the measured lattice constant, from a fresh start."""
    trajectory = mf.simulate.run(
        potential,
        mf.StatePoint(crystal(settings.cells), TEMPERATURE),
        sampler(),
        equilibrate="0.48 ps",
        duration=settings.validation,
        every=INTERVAL,
        key=jax.random.key(seed),
        show_progress=show_progress,
    )
    pressure = mf.estimate(Pressure(), trajectory)
    factor = BAR / GIGAPASCAL
    metrics = {"pressure": Metric.of(pressure, factor, "GPa")}
    if settings.elastic is not None:
        constants = mf.estimate(ElasticConstants(), trajectory, potential=potential)
        metrics |= Metric.of_components(constants)
    return metrics


def test_metrics(potential: Potential) -> Metrics:
    """Errors on the structures that neither training has seen."""
    return accuracy_metrics("test", accuracy(potential, mf.data.read(DFT / "Si_test.extxyz")), "eV/Å")
