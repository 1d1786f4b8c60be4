"""Liquid argon of Lennard-Jones atoms: the known potential, and what is "measured" of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.build import bulk

import mdfit as mf
from mdfit.observables import RDF, PotentialEnergy, Pressure
from mdfit.potentials import LennardJones
from mdfit.recipes.request import Request, Sampling
from mdfit.simulate import Langevin, StatePoint

#: The potential of A. Rahman, Phys. Rev. 136, A405 (1964), doi:10.1103/PhysRev.136.A405: ε = 120 k_B, in eV and Å.
EPSILON, SIGMA = 0.010341, 3.4
#: Its state point, in K, and its number density in 1/Å³ (1.374 g/cm³).
MEASURED_AT, DENSITY = 94.4, 1.374 * 0.602214 / 39.948
#: Where nothing is measured, in K, at the same density.
PREDICTED_AT = 120.0
#: In K.
MELTED_AT = 400.0
SAMPLER = Langevin("5 fs", friction="1 /ps")
#: Standard uncertainties: of the pressure, of the energy of all 108 atoms, of each of the bins of g(r).
PRESSURE, ENERGY, CURVE = 50.0, 0.02, 0.05
#: The bins of g(r) are taken to be worth so many independent numbers.
INDEPENDENT = 5.0
OBSERVABLES = (Pressure(), PotentialEnergy(), RDF("8 Å", bins=40, smearing="0.1 Å"))


@dataclass(frozen=True)
class Scale:
    """Sizes: of the reference, of the simulations of chains, chains, steps of each, potentials that predict."""

    reference: Sampling
    replicas: int
    simulation: Sampling
    chains: int
    steps: int
    members: int


SCALE_OF = {
    "cpu": Scale(Sampling("200 ps", "20 ps", "0.5 ps"), 2, Sampling("40 ps", "4 ps", "0.5 ps"), 4, 250, 24),
    "demo": Scale(Sampling("30 ps", "5 ps", "0.5 ps"), 1, Sampling("40 ps", "2 ps", "0.5 ps"), 2, 40, 6),
}


def potential(epsilon: float = 1.0, sigma: float = 1.0) -> LennardJones:
    """With parameters that are so many times the true ones."""
    return LennardJones(EPSILON * epsilon, SIGMA * sigma, cutoff="8 Å")


def liquid(request: Request, kelvin: float) -> StatePoint:
    """108 atoms, from a crystal that is melted far above the melting temperature."""
    atoms = bulk("Ar", "fcc", a=(4 / DENSITY) ** (1 / 3), cubic=True).repeat(3)
    crystal = StatePoint(mf.Structure.from_ase(atoms), MELTED_AT)
    melt = request.simulate("melt", potential(), crystal, SAMPLER, Sampling("5 ps", "5 ps", "5 ps"))
    return StatePoint(melt.frames().structure(-1), kelvin)


def measurements(request: Request, scale: Scale) -> list[mf.Measurement]:
    """Averages of a simulation with the true potential, each with a random error of its stated uncertainty."""
    at = liquid(request, MEASURED_AT)
    truth = request.simulate("reference_94K", potential(), at, SAMPLER, scale.reference, replicas=scale.replicas)
    random = np.random.default_rng(request.seed_of("errors of the measurements"))
    found = []
    for observable, sigma in zip(OBSERVABLES, (PRESSURE, ENERGY, CURVE), strict=True):
        value = np.asarray(mf.estimate(observable, truth, potential=potential()).value)
        # Neighbouring bins of a measured curve err together, over a fifth of the curve as INDEPENDENT says.
        errors = random.standard_normal(1 if value.ndim == 0 else int(INDEPENDENT))
        error = np.interp(np.linspace(0, 1, value.size), np.linspace(0, 1, errors.size), errors).reshape(value.shape)
        found.append(mf.Measurement(observable, value + sigma * error, at, sigma=sigma))
    return found
