"""Simulations of its own of the crystal at 300 K, errors on the DFT test set, and properties that are not targets."""

from __future__ import annotations

import numpy as np
from ase.build import bulk
from silicon_targets import DFT, LATTICE_CONSTANT, SAMPLER, Settings, state_point

import mdfit as mf
from mdfit.objectives.accuracy import accuracy
from mdfit.observables import RDF, ElasticConstants, Estimate, Pressure
from mdfit.potentials import Potential
from mdfit.properties import elastic_constants, phonon_frequencies, relax_cell, vacancy_formation_energy
from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.metrics import Metric, Metrics, accuracy_metrics
from mdfit.recipes.request import Request, Sampling
from mdfit.simulate import Langevin
from mdfit.units import BAR, GIGAPASCAL

#: A liquid of the training data, 64 atoms at 2530 K.
LIQUID_FRAME = 130
LIQUID_TEMPERATURE = 2530
#: Branches of degenerate phonons at Γ, and at X.
GAMMA = {"Gamma": slice(3, 6)}
EDGE = {"X_TA": slice(2), "X_LAO": slice(2, 4), "X_TO": slice(4, 6)}


def judged(request: Request, potential: Potential, name: str, settings: Settings) -> Metrics:
    """All but the liquid; each property at 0 K is at the potential's own lattice constant."""
    metrics = request.stage(f"{name}_crystal", lambda: crystal_metrics(request, potential, name, settings))
    metrics |= request.stage(f"{name}_test", lambda: test_metrics(potential))
    if settings.properties:
        seed = request.seed_of(f"{name} vacancy")
        metrics |= request.stage(f"{name}_static", lambda: static_metrics(potential, seed))
    return metrics


def crystal_metrics(request: Request, potential: Potential, name: str, settings: Settings) -> Metrics:
    """Pressure and elastic constants in GPa at the measured lattice constant, from a fresh start."""
    at = state_point(settings.cells)
    trajectory = request.simulate(f"crystal_{name}", potential, at, SAMPLER, settings.validation)
    metrics = {"pressure": Metric.of(mf.estimate(Pressure(), trajectory), BAR / GIGAPASCAL, "GPa")}
    if settings.elastic is not None:
        metrics |= Metric.of_components(mf.estimate(ElasticConstants(), trajectory, potential=potential))
    return metrics


def test_metrics(potential: Potential) -> Metrics:
    """Errors on the structures that neither training has seen."""
    return accuracy_metrics("test", accuracy(potential, mf.data.read(DFT / "Si_test.extxyz")), "eV/Å")


def static_metrics(potential: Potential, seed: int) -> Metrics:
    """Lattice constant and elastic constants at 0 K, phonons, and a vacancy among 64 atoms."""
    cell = relax_cell(potential, mf.Structure.from_ase(bulk("Si", "diamond", a=LATTICE_CONSTANT, cubic=True)))
    length, constants = float(cell.cell[0, 0]), elastic_constants(potential, cell)
    primitive = mf.Structure.from_ase(bulk("Si", "diamond", a=length))
    crystal = mf.Structure.from_ase(bulk("Si", "diamond", a=length, cubic=True).repeat(2))
    gamma, edge = phonon_frequencies(potential, primitive, ("G", "X"))
    found = {
        "static/lattice_constant": (length, "Å"),
        "static/C11": (constants.c11, "GPa"),
        "static/C12": (constants.c12, "GPa"),
        "static/C44": (constants.c44, "GPa"),
        "vacancy/formation_energy": (vacancy_formation_energy(potential, crystal, seed=seed), "eV"),
    }
    for frequencies, branches in ((gamma, GAMMA), (edge, EDGE)):
        found |= {f"phonon/{name}": (float(frequencies[own].mean()), "THz") for name, own in branches.items()}
    return {name: Metric(value, None, unit) for name, (value, unit) in found.items()}


def liquid(request: Request, potential: Potential, name: str) -> tuple[Metrics, Estimate]:
    """Place and height of the first maximum of g(r), and the curve."""
    at = mf.StatePoint(mf.structure.read_structure(DFT / "Si_train.extxyz", LIQUID_FRAME), LIQUID_TEMPERATURE)
    langevin, sampling = Langevin("1.5 fs", friction="2 /ps"), Sampling("3 ps", "0.75 ps", "30 fs")
    trajectory = request.simulate(f"liquid_{name}", potential, at, langevin, sampling)
    rdf = mf.estimate(RDF("5.2 Å", bins=104, smearing="0.05 Å"), trajectory)
    peak = int(np.argmax(rdf.value))
    height = Metric(float(rdf.value[peak]), float(rdf.standard_error[peak]), "", "; ".join(rdf.warnings))
    return {"liquid/first_peak": Metric(float(rdf.grid[peak]), None, "Å"), "liquid/first_peak_height": height}, rdf


def liquid_plot(curves: dict[str, Estimate]) -> Plot:
    """Radial distribution functions of the liquid: DFT, before and after."""
    from ase.geometry.rdf import get_rdf
    from ase.io import read

    frames = [
        atoms for atoms in read(DFT / "Si_train.extxyz", ":") if atoms.info["label_temperature_K"] == LIQUID_TEMPERATURE
    ]
    snapshots = [get_rdf(atoms, 5.2, 52) for atoms in frames]
    dft = Series(
        label="DFT, 18 snapshots", x=snapshots[0][1], y=np.mean([g for g, _ in snapshots], axis=0), style="points"
    )
    series = [Series(label=name, x=rdf.grid, y=rdf.value, error=rdf.standard_error) for name, rdf in curves.items()]
    title = "Radial distribution function of the liquid at 2530 K"
    return Plot(title=title, x="r (Å)", y="g(r)", series=[dft, *series])
