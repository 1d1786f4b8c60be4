"""Static properties at 0 K beside reference values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdfit.potentials import Potential
from mdfit.recipes.arrays import save_arrays
from mdfit.recipes.building import build_crystal
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.schema import Properties

if TYPE_CHECKING:
    from mdfit.recipes.potential_errors import PotentialErrors


def static_metrics(
    choice: Properties, potential: Potential, out: Path, potential_errors: PotentialErrors | None = None
) -> Metrics:
    """Equation of state and elastic constants; the energy–volume curve goes into ``properties.npz``.

    Args:
        choice: what the recipe asks for.
        potential: the trained one.
        out: directory of the run.
        potential_errors: what tells the potential's error; None where it is not asked for.
    """
    metrics, arrays = _static(choice, potential)
    save_arrays(out / "properties.npz", arrays)
    if potential_errors is None:
        return metrics
    return potential_errors.of_properties(lambda member: _static(choice, member)[0], metrics)


def _static(choice: Properties, potential: Potential) -> tuple[Metrics, dict[str, np.ndarray]]:
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
    return metrics, arrays
