"""Static properties at 0 K beside reference values."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdfit.potentials import Potential
from mdfit.recipes.arrays import save_arrays
from mdfit.recipes.building import build_crystal
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.schema import Properties


def static_metrics(choice: Properties, potential: Potential, out: Path) -> Metrics:
    """Equation of state and elastic constants; the energy–volume curve goes into ``properties.npz``."""
    from mdfit.properties import elastic_constants, equation_of_state, relax_cell

    structure = build_crystal(choice.crystal)
    if choice.relax:
        structure = relax_cell(potential, structure)
    repeats = choice.crystal.repeat[0]
    metrics: Metrics = {"static/lattice_constant": Metric(float(structure.cell[0, 0]) / repeats, None, "Å")}
    arrays: dict[str, np.ndarray] = {}
    if choice.equation_of_state:
        curve = equation_of_state(potential, structure)
        metrics["static/bulk_modulus"] = Metric(float(curve.bulk_modulus), None, "GPa")
        arrays |= {"volumes": curve.volumes, "energies": curve.energies}
    if choice.elastic_constants:
        relaxed, clamped = (elastic_constants(potential, structure, relax_ions=relax) for relax in (True, False))
        values = {"C11": relaxed.c11, "C12": relaxed.c12, "C44": relaxed.c44, "C44_clamped": clamped.c44}
        metrics |= {f"static/{label}": Metric(float(value), None, "GPa") for label, value in values.items()}
    save_arrays(out / "properties.npz", arrays)
    return metrics
