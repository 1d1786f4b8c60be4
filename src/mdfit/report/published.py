"""Published errors beside those of a run."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from mdfit.errors import RecipeError
from mdfit.recipes.metrics import Metric
from mdfit.report.run_files import RunFiles, TestErrors
from mdfit.report.tables import Table, number
from mdfit.storage import read_text

# Columns such as 300K_force_meV_per_A: test set, quantity, unit.
_COLUMN = re.compile(r"(?P<set>.+)_(?P<quantity>energy|force)_(?P<unit>meV(_per_A)?)$")
_UNITS = {"meV_per_A": "meV/Å", "meV": "meV"}


def published_table(run: RunFiles) -> Table | None:
    """The table of the recipe with a row for this run, whose cells without a figure stay empty; None without any.

    Columns ``<set>_force_meV_per_A`` and ``<set>_energy_meV`` are filled from the test set ``<set>`` or ``test_<set>``;
    energies are root-mean-square errors per structure, not per atom.

    Raises:
        RecipeError: when the file is no table.
    """
    name = run.loaded.recipe.published
    if name is None or not run.loaded.path(name).is_file():
        return None
    columns, rows = _read(run.loaded.path(name))
    own = [_own_value(column, run) for column in columns[1:]]
    if not any(own):
        return None
    return Table([_heading(column) for column in columns], [*rows, ["this work", *own]], highlighted=len(rows))


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        lines = [line for line in csv.reader(io.StringIO(read_text(path))) if line and not line[0].startswith("#")]
    except (OSError, ValueError, csv.Error) as error:
        raise RecipeError(
            f"{path} cannot be read as published errors ({error}); write a table of comma-separated values in UTF-8."
        ) from error
    if not lines:
        return [], []
    columns = lines[0]
    return columns, [(line + [""] * len(columns))[: len(columns)] for line in lines[1:]]


def _heading(column: str) -> str:
    match = _COLUMN.match(column)
    if match is None:
        return column.replace("_", " ")
    return f"{match['set'].replace('_', ' ')} {match['quantity']} ({_UNITS[match['unit']]})"


def _own_value(column: str, run: RunFiles) -> str:
    match = _COLUMN.match(column)
    if match is None:
        return ""
    for name in (f"test_{match['set']}", match["set"]):
        if match["quantity"] == "force":
            metric = run.metrics.get(f"{name}/force_rmse")
            if metric is not None:
                return number(_in_milli_electronvolt(metric))
        elif name in run.tests:
            return _structure_energy_error(run.tests[name])
    return ""


def _in_milli_electronvolt(metric: Metric) -> Metric:
    if metric.unit != "eV/Å":
        return metric
    error = metric.standard_error
    return replace(
        metric, value=1e3 * metric.value, standard_error=None if error is None else 1e3 * error, unit="meV/Å"
    )


def _structure_energy_error(test: TestErrors) -> str:
    """Root-mean-square error of the total energies in meV; "" without the numbers of atoms."""
    accuracy = test.accuracy
    atoms = np.bincount(accuracy.force_frames, minlength=accuracy.frames) / 3
    atoms_of_energies = atoms[accuracy.energy_frames]
    if not len(atoms_of_energies) or not atoms_of_energies.all():
        return ""
    error = 1e3 * (accuracy.energy[:, 1] - accuracy.energy[:, 0]) * atoms_of_energies
    return f"{np.sqrt(np.mean(error**2)):.3g}"
