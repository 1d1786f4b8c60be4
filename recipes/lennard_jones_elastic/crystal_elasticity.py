"""A face-centred cubic Lennard-Jones crystal of 108 atoms at k_BT = 0.2 ε, in units of ε, σ and the mass m.

Here ε = 1 eV, σ = 1 Å and m = 1 amu.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import numpy as np
import optax
from ase.build import bulk

import mdfit as mf
from mdfit.objectives import DiffTRe
from mdfit.observables import ElasticConstants, Pressure
from mdfit.potentials import LennardJones
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.script import Request
from mdfit.simulate import JaxMD, Langevin, StatePoint, run
from mdfit.training import FitResult
from mdfit.units import BAR, BOLTZMANN, FEMTOSECOND, GIGAPASCAL

#: In σ.
LATTICE_CONSTANTS = (1.567, 1.58)
TEMPERATURE = 0.2 / BOLTZMANN
#: In σ √(m/ε).
TIMESTEP = 0.004
#: GPa and bar in ε/σ³.
GPA, BARS = GIGAPASCAL, BAR
NAMES = ("C11", "C12", "C44")


@dataclass(frozen=True)
class Settings:
    """One scale: frames of a judgement, and frames and updates of the recovery.

    All frames are 50 steps apart, after 2000 steps that are dropped.
    """

    runs: int
    frames: int
    training_frames: int
    updates: int


SETTINGS = {"cpu": Settings(6, 1000, 300, 32), "demo": Settings(2, 100, 100, 3)}


def potential(epsilon: float, sigma: float) -> LennardJones:
    """Cut at 2.3 σ, switched from 0.85 of that with two continuous derivatives."""
    return LennardJones(epsilon, sigma, cutoff=2.3, switch_start=0.85 * 2.3)


def sampler() -> Langevin:
    """Friction 1 √(ε/m)/σ."""
    return Langevin(TIMESTEP / FEMTOSECOND, friction=1000 * FEMTOSECOND)


def steps(number: int) -> float:
    """So many time steps in fs."""
    return number * TIMESTEP / FEMTOSECOND


def state_point(a: float) -> StatePoint:
    """3 × 3 × 3 cubic cells of lattice constant ``a``."""
    atoms = bulk("Ar", "fcc", a=a, cubic=True).repeat(3)
    atoms.set_masses(np.ones(len(atoms)))
    return StatePoint(mf.Structure.from_ase(atoms), TEMPERATURE)


def elastic_state(model: LennardJones, a: float, settings: Settings, seed: int, name: str) -> Metrics:
    """Pressure and elastic constants in ε/σ³, by both definitions, from independent runs side by side."""
    trajectory = run(
        model,
        state_point(a),
        sampler(),
        duration=steps(50 * settings.frames),
        every=steps(50),
        equilibrate=steps(2000),
        replicas=settings.runs,
        key=jax.random.key(seed),
        engine=JaxMD(skin=0.25, dtype="float64"),
    )
    pressure = mf.estimate(Pressure(), trajectory)
    metrics = {f"{name}/pressure": Metric.of(pressure, BARS, "ε/σ³")}
    for definition in ("consistent", "published"):
        constants = mf.estimate(ElasticConstants(definition=definition), trajectory, potential=model)
        for label, value, error in zip(NAMES, constants.value, constants.standard_error, strict=True):
            metrics[f"{name}/{definition}/{label}"] = Metric(float(value) * GPA, float(error) * GPA, "ε/σ³")
    return metrics


def bulk_moduli(metrics: Metrics) -> Metrics:
    """B = −V dp/dV between both volumes, and (C11 + 2 C12 + p)/3 of their means: the same by thermodynamics.

    C belongs to the Lagrangian strain; the bulk modulus under pressure p is (C11 + 2 C12 + p)/3.
    """
    volumes = [a**3 for a in LATTICE_CONSTANTS]
    pressures = [metrics[f"a={a}/pressure"] for a in LATTICE_CONSTANTS]
    slope = np.mean(volumes) / (volumes[1] - volumes[0])
    finite = slope * (pressures[0].value - pressures[1].value)
    finite_error = slope * math.hypot(*(p.standard_error or 0 for p in pressures))
    values, errors = [], []
    for a, pressure in zip(LATTICE_CONSTANTS, pressures, strict=True):
        c11, c12 = (metrics[f"a={a}/consistent/{name}"] for name in ("C11", "C12"))
        values.append((c11.value + 2 * c12.value + pressure.value) / 3)
        # Both constants come from the same frames, so that their errors may well add up.
        errors.append(((c11.standard_error or 0) + 2 * (c12.standard_error or 0)) / 3)
    return {
        "bulk_modulus/from_pressures": Metric(float(finite), float(finite_error), "ε/σ³"),
        "bulk_modulus/from_elastic_constants": Metric(float(np.mean(values)), math.hypot(*errors) / 2, "ε/σ³"),
    }


def recover(start: LennardJones, targets: Metrics, settings: Settings, request: Request) -> FitResult:
    """Learns ε and σ from the pressure and the elastic constants of the true potential at one volume."""
    a = LATTICE_CONSTANTS[1]
    at = state_point(a)
    pressure = targets[f"a={a}/pressure"].value / BARS
    constants = [targets[f"a={a}/consistent/{name}"].value / GPA for name in NAMES]
    objective = DiffTRe(
        [
            mf.Measurement(Pressure(), pressure, at, sigma=0.02 / BARS),
            mf.Measurement(ElasticConstants(), constants, at, sigma=0.5 / GPA),
        ],
        sampler(),
        equilibrate=steps(1000),
        sample=steps(50 * settings.training_frames),
        every=steps(50),
        # Each update has a trajectory of its own, so that the last ones do not learn the noise of one of them.
        reuse=1.0,
        step_ratio=0.1,
        gauss_newton=1e-3,
        engine=JaxMD(skin=0.25, dtype="float64"),
    )
    # Whole steps first, then shorter ones, which average over the noise of the trajectories.
    rate = optax.cosine_decay_schedule(1.0, settings.updates, alpha=0.05)
    out = request.out / "fit"
    return mf.fit(
        start,
        objective,
        optimizer=optax.sgd(rate),
        steps=settings.updates,
        seed=request.seed,
        out=out,
        show_progress=request.show_progress,
    ).unless_interrupted()


def judge_recovery(model: LennardJones, settings: Settings, seed: int) -> Metrics:
    """What an independent simulation with the recovered potential gives."""
    metrics = elastic_state(model, LATTICE_CONSTANTS[1], settings, seed, "recovered")
    return {name.replace("consistent/", ""): metric for name, metric in metrics.items() if "published" not in name}
