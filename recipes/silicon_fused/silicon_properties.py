"""Properties that are not targets: the crystal at 0 K, phonons, a vacancy, and the liquid."""

from __future__ import annotations

import tempfile
from pathlib import Path

import jax
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.phonons import Phonons
from silicon_targets import DFT, LATTICE_CONSTANT

import mdfit as mf
from mdfit.engines import Calculator
from mdfit.observables import RDF
from mdfit.potentials import Potential
from mdfit.properties import elastic_constants, relax_atoms, relax_cell
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import Langevin

#: A liquid of the training data, 64 atoms at 2530 K.
LIQUID_FRAME = 130
LIQUID_TEMPERATURE = "2530 K"


def static_metrics(potential: Potential, seed: int) -> Metrics:
    """Lattice constant and elastic constants at 0 K, phonons, vacancy; each at the potential's own lattice constant."""
    cell = relax_cell(potential, mf.Structure.from_ase(_diamond(LATTICE_CONSTANT)))
    length = float(cell.cell[0, 0])
    constants = elastic_constants(potential, cell)
    metrics = {
        "static/lattice_constant": Metric(length, None, "Å"),
        "static/C11": Metric(constants.c11, None, "GPa"),
        "static/C12": Metric(constants.c12, None, "GPa"),
        "static/C44": Metric(constants.c44, None, "GPa"),
        "vacancy/formation_energy": Metric(vacancy_energy(potential, length, seed), None, "eV"),
    }
    return metrics | {
        f"phonon/{name}": Metric(value, None, "THz") for name, value in phonons(potential, length).items()
    }


def phonons(potential: Potential, lattice_constant: float) -> dict[str, float]:
    """Frequencies in THz at Γ and X, by displaced atoms in 2 × 2 × 2 primitive cells.

    X is a reciprocal vector of that supercell, so that its frequencies are exact.
    """
    primitive = bulk("Si", "diamond", a=lattice_constant)
    points = primitive.cell.bandpath(npoints=0).special_points
    with tempfile.TemporaryDirectory() as folder:
        calculator = Calculator(potential, skin=0.0, dtype="float64")
        crystal = Phonons(primitive, calculator, supercell=(2, 2, 2), delta=0.01, name=f"{folder}/phonon")
        crystal.run()
        crystal.read(acoustic=True)
        energies = crystal.band_structure(np.array([points["G"], points["X"]]), verbose=False)
    gamma, edge = energies * units._e / units._hplanck / 1e12
    return {
        "Gamma": float(gamma[3:].mean()),
        "X_TA": float(edge[:2].mean()),
        "X_LAO": float(edge[2:4].mean()),
        "X_TO": float(edge[4:].mean()),
    }


def vacancy_energy(potential: Potential, lattice_constant: float, seed: int) -> float:
    """E(63 atoms, relaxed in the cell of the crystal) − 63/64 E(64 atoms), in eV."""
    crystal = _diamond(lattice_constant).repeat(2)
    defect = crystal.copy()
    del defect[0]
    # The neighbours pair up, which symmetry would forbid.
    defect.rattle(0.05, seed=seed)
    relaxed = relax_atoms(potential, mf.Structure.from_ase(defect), largest_force=1e-3)
    return _energy(potential, relaxed.to_ase()) - len(defect) / len(crystal) * _energy(potential, crystal)


def liquid_metrics(potential: Potential, seed: int, rdf_file: Path, show_progress: bool) -> Metrics:
    """Place and height of the first maximum of g(r); the curve goes to ``rdf_file``."""
    structure = mf.structure.read_structure(DFT / "Si_train.extxyz", LIQUID_FRAME)
    trajectory = mf.simulate.run(
        potential,
        mf.StatePoint(structure, LIQUID_TEMPERATURE),
        Langevin("1.5 fs", friction="2 /ps"),
        equilibrate="0.75 ps",
        duration="3 ps",
        every="30 fs",
        key=jax.random.key(seed),
        show_progress=show_progress,
    )
    rdf = mf.estimate(RDF("5.2 Å", bins=104, smearing="0.05 Å"), trajectory)
    columns = np.column_stack([rdf.grid, rdf.value, rdf.standard_error])
    np.savetxt(rdf_file, columns, "%.5f", ",", header="r (Å),g,standard_error", comments="")
    peak = int(np.argmax(rdf.value))
    return {
        "liquid/first_peak": Metric(float(rdf.grid[peak]), None, "Å"),
        "liquid/first_peak_height": Metric(
            float(rdf.value[peak]), float(rdf.standard_error[peak]), "", "; ".join(rdf.warnings)
        ),
    }


def dft_liquid_rdf(distance: float = 5.2, bins: int = 52) -> tuple[np.ndarray, np.ndarray]:
    """Distances in Å and g(r) of the DFT snapshots at 2530 K."""
    from ase.geometry.rdf import get_rdf
    from ase.io import read

    frames = [atoms for atoms in read(DFT / "Si_train.extxyz", ":") if atoms.info["label_temperature_K"] == 2530]
    curves = [get_rdf(atoms, distance, bins) for atoms in frames]
    return curves[0][1], np.mean([curve[0] for curve in curves], axis=0)


def _diamond(lattice_constant: float) -> Atoms:
    return bulk("Si", "diamond", a=lattice_constant, cubic=True)


def _energy(potential: Potential, atoms: Atoms) -> float:
    atoms.calc = Calculator(potential, skin=0.0, dtype="float64")
    return float(atoms.get_potential_energy())
