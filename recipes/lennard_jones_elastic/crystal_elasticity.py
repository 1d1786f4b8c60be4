"""A face-centred cubic Lennard-Jones crystal of 108 atoms at k_BT = 0.2 ε, in units of ε, σ and the mass m.

Here ε = 1 eV, σ = 1 Å and m = 1 amu.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from ase.build import bulk

import mdfit as mf
from mdfit.observables import ElasticConstants, Pressure
from mdfit.potentials import LennardJones
from mdfit.recipes.methods import Descent, Reweighting
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.request import Request, Sampling
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.training import FitResult
from mdfit.units import BAR, BOLTZMANN, FEMTOSECOND, GIGAPASCAL

#: In σ.
LATTICE_CONSTANTS = (1.567, 1.58)
TEMPERATURE = 0.2 / BOLTZMANN
#: Of 0.004 σ √(m/ε), in fs.
TIMESTEP = 0.004 / FEMTOSECOND
#: Friction 1 √(ε/m)/σ.
SAMPLER = Langevin(TIMESTEP, friction=1000 * FEMTOSECOND)
SKIN = "0.25 Å"
#: GPa and bar in ε/σ³.
GPA, BARS = GIGAPASCAL, BAR
NAMES = ("C11", "C12", "C44")


@dataclass(frozen=True)
class Settings:
    """One scale: independent runs and frames of a judgement, frames and updates of the recovery."""

    runs: int
    frames: int
    training_frames: int
    updates: int


SETTINGS = {"cpu": Settings(6, 1000, 300, 32), "demo": Settings(2, 100, 100, 3)}


def potential(epsilon: float, sigma: float) -> LennardJones:
    """Cut at 2.3 σ, switched from 0.85 of that with two continuous derivatives."""
    return LennardJones(epsilon, sigma, cutoff=2.3, switch_start=0.85 * 2.3)


def sampling(frames: int, dropped: int) -> Sampling:
    """Frames 50 steps apart, after so many steps that are dropped."""
    return Sampling(50 * frames * TIMESTEP, dropped * TIMESTEP, 50 * TIMESTEP)


def state_point(a: float) -> StatePoint:
    """3 × 3 × 3 cubic cells of lattice constant ``a``."""
    atoms = bulk("Ar", "fcc", a=a, cubic=True).repeat(3)
    atoms.set_masses(np.ones(len(atoms)))
    return StatePoint(mf.Structure.from_ase(atoms), TEMPERATURE)


def elastic_state(request: Request, model: LennardJones, a: float, name: str) -> Metrics:
    """Pressure and elastic constants in ε/σ³, by both definitions, from independent runs side by side."""
    settings, engine = SETTINGS[request.scale], JaxMD(SKIN, dtype="float64")
    lengths, runs = sampling(settings.frames, 2000), settings.runs
    trajectory = request.simulate(
        f"crystal_{name.removeprefix('a=')}", model, state_point(a), SAMPLER, lengths, replicas=runs, engine=engine
    )
    metrics = {f"{name}/pressure": Metric.of(mf.estimate(Pressure(), trajectory), BARS, "ε/σ³")}
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


def recover(request: Request, start: LennardJones, targets: Metrics) -> FitResult:
    """Learns ε and σ from the pressure and the elastic constants of the true potential at one volume."""
    settings, a = SETTINGS[request.scale], LATTICE_CONSTANTS[1]
    at = state_point(a)
    pressure = targets[f"a={a}/pressure"].value / BARS
    constants = [targets[f"a={a}/consistent/{name}"].value / GPA for name in NAMES]
    measurements = [
        mf.Measurement(Pressure(), pressure, at, sigma=0.02 / BARS),
        mf.Measurement(ElasticConstants(), constants, at, sigma=0.5 / GPA),
    ]
    method = Reweighting(
        # Whole steps first, then shorter ones, which average over the noise of the trajectories.
        Descent(settings.updates, (1.0, 0.05), damping=1e-3, schedule="cosine"),
        sampling(settings.training_frames, 1000),
        step_ratio=0.1,
        # Each update has a trajectory of its own, so that the last ones do not learn the noise of one of them.
        reuse=1.0,
        skin=SKIN,
    )
    return method.train(request, "fit", start, measurements, SAMPLER, dtype="float64")
