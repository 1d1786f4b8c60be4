"""Figures as data: what a recipe leaves to be drawn, by a report that needs nothing else of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from mdfit.recipes.metrics import Metrics
from mdfit.storage import Document, read_json, write_text

#: In the directory of a run.
FOLDER = "figures"
#: More numbers no picture can show.
_MOST = 1_000_000
#: Larger numbers no picture can show: the range of an axis would overflow.
_LARGEST = 1e30


def _numbers(values: Any) -> Any:
    """Arrays as tuples, in which what is not finite, or too large to be drawn, is a gap."""
    if isinstance(values, np.ndarray) or (isinstance(values, (list, tuple)) and not isinstance(values, str)):
        return tuple(_number(value) for value in values)
    return values


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return value
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def _members(values: Any) -> Any:
    return values if isinstance(values, (str, dict)) else tuple(values)


if TYPE_CHECKING:
    Numbers = Sequence[float | None] | np.ndarray
    Rows = Sequence[Numbers] | np.ndarray
    Words = Sequence[str]
    Limits = tuple[float | None, float | None]
    Level = float
    AllSeries = Sequence["Series"]
    AllPlots = Sequence["Plot"]
else:
    Numbers = Annotated[tuple[float | None, ...], BeforeValidator(_numbers), Field(max_length=_MOST)]
    Rows = Annotated[tuple[Numbers, ...], BeforeValidator(_members), Field(max_length=10_000)]
    Words = Annotated[tuple[str, ...], BeforeValidator(_members), Field(max_length=1000)]
    Level = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
    Limits = Annotated[tuple[float | None, float | None], BeforeValidator(_numbers)]
    AllSeries = Annotated[tuple["Series", ...], BeforeValidator(_members), Field(max_length=200)]
    AllPlots = Annotated[tuple["Plot", ...], BeforeValidator(_members), Field(min_length=1, max_length=12)]


class Series(Document):
    """Points of one kind; series of one label have one colour in all plots of a figure.

    Attributes:
        label: in the legend; none without.
        x, y: equally many numbers; None is a gap.
        error: standard errors of y: a band about a line, bars at points.
        style: ``reference`` is a broad grey line, ``measured`` a dashed and ``published`` a dotted black one.
        target: that the values should reach; a dotted line of the same colour.
    """

    label: str = ""
    x: Numbers
    y: Numbers
    error: Numbers | None = None
    style: Literal["line", "points", "linked points", "bars", "reference", "measured", "published"] = "line"
    target: Level | None = None

    @model_validator(mode="after")
    def _equally_long(self) -> Series:
        if len(self.x) != len(self.y) or (self.error is not None and len(self.error) != len(self.y)):
            raise ValueError(f"the series '{self.label[:60]}' has columns of different lengths")
        if any(error is not None and error < 0 for error in self.error or ()):
            raise ValueError(f"the series '{self.label[:60]}' has negative errors")
        return self


class Surface(Document):
    """A function of two variables on bins, whose limits are ``x`` and ``y``; ``values[i][j]`` is that at x_i and y_j."""

    x: Numbers
    y: Numbers
    values: Rows
    label: str = ""
    limits: Limits = (None, None)

    @model_validator(mode="after")
    def _on_its_bins(self) -> Surface:
        if {len(row) for row in self.values} != {len(self.y) - 1} or len(self.values) != len(self.x) - 1:
            raise ValueError("the surface has values for other bins than it says")
        if None in (*self.x, *self.y):
            raise ValueError("the surface has bins without limits")
        low, high = self.limits
        if low is not None and high is not None and low > high:
            raise ValueError("the lower limit of the surface is above the upper one")
        return self


class Plot(Document):
    """A pair of axes.

    Attributes:
        title: what is shown, also where nobody sees it.
        x, y: labels of the axes.
        series: what is drawn.
        levels: horizontal lines by their labels.
        categories: names of the whole numbers of the x axis, for bars.
        surface: instead of series.
    """

    title: str
    x: str
    y: str
    series: AllSeries = ()
    levels: dict[str, Level] = Field(default_factory=dict)
    categories: Words = ()
    surface: Surface | None = None
    x_scale: Literal["linear", "log"] = "linear"
    y_scale: Literal["linear", "log"] = "linear"
    x_limits: Limits = (None, None)
    y_limits: Limits = (None, None)


class Figure(Document):
    """Plots side by side."""

    plots: AllPlots


def write_figure(path: Path, figure: Figure) -> None:
    """One JSON file; see :func:`read_figure`."""
    write_text(path, json.dumps(figure.model_dump(), ensure_ascii=False) + "\n")


def read_figure(path: Path) -> Figure:
    """The figure in a file.

    Raises:
        CheckpointError: when it is missing or damaged.
    """
    figure: Figure = read_json(path, Figure)
    return figure


def history_series(
    label: str,
    history: Iterable[Mapping[str, Any]],
    column: str | Callable[[Mapping[str, Any]], float],
    *,
    factor: float = 1.0,
    first: int = 1,
    target: float | None = None,
    style: Literal["line", "linked points"] = "line",
) -> Series:
    """A column of the records of a training against the number of the update.

    Args:
        label: of the series.
        history: of :class:`~mdfit.training.FitResult`.
        column: its name, records without which are left out, or a function of a record.
        factor: to the unit of the plot.
        first: number of the first update.
        target: that the values should reach.
        style: of the series.
    """
    numbered = list(enumerate(history, first))
    if isinstance(column, str):
        points = [(number, record[column]) for number, record in numbered if column in record]
    else:
        points = [(number, column(record)) for number, record in numbered]
    at, values = [number for number, _ in points], [factor * value for _, value in points]
    return Series(label=label, x=at, y=values, target=target, style=style)


def metric_series(label: str, metrics: Metrics, name: str, settings: Sequence[float]) -> Series:
    """Metrics against a setting that stands for ``{}`` in their name; what is missing is left out."""
    found = {setting: metrics[key] for setting in settings if (key := name.format(f"{setting:g}")) in metrics}
    # A metric without an error has none to draw.
    errors = [0.0 if metric.standard_error is None else metric.standard_error for metric in found.values()]
    values = [metric.value for metric in found.values()]
    return Series(label=label, x=list(found), y=values, error=errors, style="linked points")
