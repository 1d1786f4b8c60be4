"""Plots that several recipes need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from mdfit.recipes.figures import Plot, Series, Surface, history_series, metric_series
from mdfit.recipes.metrics import Metrics

Histories = Mapping[str, Iterable[Mapping[str, Any]]]
Scaling = Literal["linear", "log"]


def learning_plots(
    histories: Histories,
    columns: Mapping[str, str],
    y_scale: Scaling = "linear",
    *,
    factors: Mapping[str, float] | None = None,
    measured: Mapping[str, float] | None = None,
) -> list[Plot]:
    """A plot for each of several columns of the records of trainings, along their updates.

    Trainings without a column are not in its plot, and columns that no training has have none.

    Args:
        histories: of trainings by name.
        columns: names in the records, and what they are.
        y_scale: of all.
        factors: to the units of the plots, by column; 1 by default.
        measured: what is to be reached, by column, in the units of the plots.
    """
    plots = []
    for column, label in columns.items():
        factor = (factors or {}).get(column, 1.0)
        series = [
            history_series(name.replace("_", " "), list(own), column, factor=factor) for name, own in histories.items()
        ]
        levels = {"measured": measured[column]} if measured and column in measured else {}
        shown = [one for one in series if len(one.x)]
        if shown:
            plots.append(Plot(title=label, x="updates", y=label, series=shown, levels=levels, y_scale=y_scale))
    return plots


def course_plot(
    history: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str],
    y: str,
    *,
    factor: float = 1.0,
    targets: Mapping[str, float] | None = None,
) -> Plot:
    """Several columns of the records of one training in one plot, along its updates.

    Args:
        history: of the training.
        columns: names in the records, and labels of their curves.
        y: label of the axis, which is the title, too.
        factor: to the unit of the plot.
        targets: what the curves should reach, by column, in the unit of the plot.
    """
    records, aims = list(history), targets or {}
    series = [
        history_series(label, records, column, factor=factor, target=aims.get(column))
        for column, label in columns.items()
    ]
    return Plot(title=y, x="updates", y=y, series=series)


def sweep_plot(
    metrics: Metrics,
    quantity: tuple[str, str],
    curves: Mapping[str, str],
    settings: Sequence[float],
    x: str,
    x_scale: Scaling = "linear",
    levels: Mapping[str, str] | None = None,
) -> Plot:
    """Metrics ``<quantity>/<curve>/<setting>`` against the setting; those that are missing are left out.

    Args:
        metrics: of all settings.
        quantity: its name in the metrics, and what it is.
        curves: names in the metrics, and labels.
        settings: values of the setting.
        x: what it is.
        x_scale: of the setting.
        levels: metrics ``<quantity>/<level>`` that do not depend on the setting, and labels.
    """
    name, label = quantity
    series = [metric_series(text, metrics, f"{name}/{curve}/{{}}", settings) for curve, text in curves.items()]
    known = {
        text: metrics[f"{name}/{level}"].value for level, text in (levels or {}).items() if f"{name}/{level}" in metrics
    }
    return Plot(
        title=f"{label} against {x}",
        x=x,
        y=label,
        series=[one for one in series if len(one.x)],
        levels=known,
        x_scale=x_scale,
        y_scale="log",
    )


def free_energy_surfaces(
    densities: Mapping[str, np.ndarray], edges: np.ndarray, x: str, y: str, highest: float
) -> list[Plot]:
    """−ln ρ of two variables in units of k_BT above its minimum, a plot for each density.

    Args:
        densities: by name, ``(bins of x, bins of y)``.
        edges: of the bins of both variables.
        x: label of the first variable.
        y: label of the second one.
        highest: in k_BT; higher free energies are drawn as if not visited.
    """
    return [
        Plot(
            title=name.replace("_", " "),
            x=x,
            y=y,
            surface=Surface(
                x=edges,
                y=edges,
                values=_free_energy(density, highest),
                label="F (k_BT)",
                limits=(0.0, highest),
            ),
        )
        for name, density in densities.items()
    ]


def free_energy_profile(
    densities: Mapping[str, np.ndarray], edges: np.ndarray, axis: int, x: str, highest: float
) -> Plot:
    """−ln of the marginal density of one of two variables; see :func:`free_energy_surfaces`.

    The density with the name ``reference`` is drawn as such.
    """
    series = [
        Series(
            label=name.replace("_", " "),
            x=(edges[1:] + edges[:-1]) / 2,
            y=_free_energy(density.sum(axis=1 - axis), highest),
            style="reference" if name == "reference" else "line",
        )
        for name, density in densities.items()
    ]
    return Plot(title=f"Free energy of {x}", x=x, y="F (k_BT)", series=series, y_limits=(0.0, highest))


def _free_energy(density: np.ndarray, highest: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        energy = -np.log(density)
    energy = energy - energy[np.isfinite(energy)].min()
    return np.where(energy <= highest, energy, np.nan)


def reliability_plots(methods: Mapping[str, tuple[np.ndarray, np.ndarray]], unit: str) -> list[Plot]:
    """Found against predicted errors, and how often intervals hold the label, for several methods.

    Args:
        methods: by name, errors and the standard deviations that were predicted for them, of equal shape.
        unit: of both.
    """
    from mdfit.uncertainty import reliability

    found = {name: reliability(errors, predicted) for name, (errors, predicted) in methods.items()}
    sizes = np.concatenate([np.concatenate([one.predicted, one.found]) for one in found.values()])
    ends = np.array([sizes[sizes > 0].min(), sizes.max()])
    size = [Series(label="equal", x=ends, y=ends, style="reference")]
    level = [Series(label="equal", x=[0.0, 1.0], y=[0.0, 1.0], style="reference")]
    for name, one in found.items():
        label = name.replace("_", " ")
        size.append(Series(label=label, x=one.predicted, y=one.found, style="linked points"))
        level.append(Series(label=label, x=one.levels, y=one.held, style="linked points"))
    x, y = f"predicted error ({unit})", f"found error ({unit})"
    return [
        Plot(title="Errors by what was predicted", x=x, y=y, series=size, x_scale="log", y_scale="log"),
        Plot(
            title="Reliability of intervals", x="probability that is meant", y="part that holds the label", series=level
        ),
    ]
