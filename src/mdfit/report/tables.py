"""The tables of a report, as rows of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from mdfit.recipes.metric_lines import with_error
from mdfit.recipes.metrics import FEWEST_FRAMES, Metric, Metrics, accuracy_metrics
from mdfit.recipes.stage_times import StageTimes
from mdfit.report.run_files import TestErrors

#: Groups in a table; the rest are counted.
_MOST_ROWS = 40
#: More models than these do not fit side by side.
_MOST_COLUMNS = 12
_ACRONYMS = ("rmse", "mae", "nve", "nvt", "npt", "rdf")


@dataclass(frozen=True)
class Table:
    """Columns, rows of cells (the first cell names the row), and a note below."""

    columns: list[str]
    rows: list[list[str]]
    note: str = ""
    highlighted: int | None = None

    @property
    def text(self) -> str:
        """For the terminal."""
        lines = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in [*aligned, self.note] if line)


@dataclass(frozen=True)
class MetricRow:
    """A metric beside its reference."""

    key: str
    label: str
    value: str
    unit: str
    reference: str
    deviation: str
    warning: str = ""


def metric_sections(metrics: Metrics, references: Mapping[str, float] | None = None) -> dict[str, list[MetricRow]]:
    """All metrics by what comes before the slash in their names; beside them their references, or those of a recipe."""
    known = references or {}
    rows = [(name, _metric_row(name, metric, known.get(name, metric.reference))) for name, metric in metrics.items()]
    return {
        section: [row for _, row in part] for section, part in groupby(rows, lambda item: item[0].partition("/")[0])
    }


def _metric_row(name: str, metric: Metric, reference: float | None) -> MetricRow:
    deviation = ""
    if reference is not None:
        difference = metric.value - reference
        deviation = f"{difference:+.3g}" + (f" ({100 * difference / abs(reference):+.1f} %)" if reference else "")
    return MetricRow(
        key=name,
        label=readable(name.partition("/")[2] or name),
        value=number(metric),
        unit=metric.unit,
        reference="" if reference is None else f"{reference:g}",
        deviation=deviation.replace("-", "−"),
        warning=metric.warning,
    )


def comparison_table(metrics: Metrics) -> Table | None:
    """Metrics ``<quantity>/<model>`` with a row for each quantity and a column for each model; None without such.

    Quantities of a single model, and models of a single quantity, are left out.
    """
    cells = {tuple(name.split("/", 1)): metric for name, metric in metrics.items() if "/" in name}
    models = [one for one, count in Counter(model for _, model in cells).items() if count > 1]
    quantities = [one for one, count in Counter(quantity for quantity, _ in cells).items() if count > 1]
    rows = []
    for quantity in quantities:
        own = [cells.get((quantity, model)) for model in models]
        unit = next((metric.unit for metric in own if metric is not None), "")
        heading = f"{readable(quantity)} ({unit})" if unit else readable(quantity)
        if sum(metric is not None for metric in own) > 1:
            rows.append([heading, *("" if metric is None else number(metric) for metric in own)])
    if len(rows) < 2 or not 2 <= len(models) <= _MOST_COLUMNS:
        return None
    return Table(["quantity", *(readable(model) for model in models)], rows)


def number(metric: Metric) -> str:
    """Value and errors without the unit."""
    # An error of the size of rounding would ask for digits that mean nothing.
    own, of_potential = (
        error if error and error > 1e-6 * abs(metric.value) else None
        for error in (metric.standard_error, metric.potential_error)
    )
    bare = replace(metric, unit="", standard_error=own, potential_error=of_potential)
    return with_error(bare).strip().replace("-", "−")


def readable(name: str) -> str:
    """``force_rmse`` as "Force RMSE"."""
    words = [word.upper() if word in _ACRONYMS else word for word in name.split("_")]
    text = " ".join(words)
    return text[:1].upper() + text[1:]


def element_errors(test: TestErrors, force_unit: str) -> dict[str, float]:
    """Root-mean-square force error per element."""
    from ase.data import chemical_symbols

    factor = 1e3 if force_unit == "meV/Å" else 1.0
    return {chemical_symbols[z]: factor * error for z, error in test.accuracy.per_species().items()}


def element_table(test: TestErrors, force_unit: str) -> Table:
    """Force errors per element."""
    from ase.data import atomic_numbers

    accuracy, rows = test.accuracy, []
    size = np.abs(accuracy.forces[:, 1] - accuracy.forces[:, 0]) * (1e3 if force_unit == "meV/Å" else 1.0)
    for symbol, error in element_errors(test, force_unit).items():
        chosen = accuracy.force_species == atomic_numbers[symbol]
        rows.append([symbol, str(int(chosen.sum())), f"{error:.3g}", f"{size[chosen].mean():.3g}"])
    return Table(["element", "components", f"force RMSE ({force_unit})", f"force MAE ({force_unit})"], rows)


def group_table(key: str, test: TestErrors, force_unit: str) -> Table:
    """Errors of the structures with each label."""
    labels = test.groups[key]
    names, counts = np.unique(labels, return_counts=True)
    parts: dict[str, Metrics] = {}
    for name in names[np.argsort(-counts, kind="stable")]:
        chosen = np.flatnonzero(labels == name)
        parts[str(name)] = accuracy_metrics("group", test.accuracy.of_frames(chosen), force_unit)
    units = {metric: entry.unit for part in parts.values() for metric, entry in part.items()}
    order = [f"group/{error}" for error in ("force_rmse", "force_mae", "energy_rmse", "energy_mae", "stress_rmse")]
    used = [metric for metric in order if metric in units]
    sizes = dict(zip(map(str, names), counts, strict=True))
    rows = [
        [name or "(none)", str(sizes[name]), *(number(part[metric]) if metric in part else "" for metric in used)]
        for name, part in parts.items()
    ]
    left_out = f"{len(rows) - _MOST_ROWS} smaller groups are left out." if len(rows) > _MOST_ROWS else ""
    if any(metric.warning for part in parts.values() for metric in part.values()):
        left_out = f"Standard errors of fewer than {FEWEST_FRAMES} structures are rough. {left_out}".rstrip()
    columns = [key, "structures", *(f"{readable(metric.partition('/')[2])} ({units[metric]})" for metric in used)]
    return Table(columns, rows[:_MOST_ROWS], left_out)


def time_table(times: StageTimes) -> Table:
    """Wall and CPU time of the stages."""
    columns = {"wall time": times.wall} | ({"CPU time": times.cpu} if times.cpu else {})
    rows = [
        [stage, *(duration(seconds[stage]) if stage in seconds else "" for seconds in columns.values())]
        for stage in times.wall
    ]
    if len(rows) > 1:
        rows.append(["together", *(duration(sum(seconds.values())) for seconds in columns.values())])
    return Table(["stage", *columns], rows, "CPU time is that of all threads." if times.cpu else "")


def duration(seconds: float) -> str:
    """Seconds as "1 h 02 min", "3 min 20 s" or "4.2 s"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours} h {left:02d} min" if hours else f"{minutes} min {rest:02d} s"
