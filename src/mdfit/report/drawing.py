"""Figures that are data, drawn."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from mdfit.recipes.figures import Figure, Plot, Series, Surface
from mdfit.report.figures import COLOURS, GREY, INK, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Letters of all names below an axis that stand beside each other.
_MOST_LETTERS = 50
#: Of curves that are not our own.
_STANDARDS: dict[str, dict[str, Any]] = {
    "reference": {"color": GREY, "linewidth": 3.0, "alpha": 0.6},
    "measured": {"color": INK, "linewidth": 1.0, "linestyle": "--"},
    "published": {"color": INK, "linewidth": 1.0, "linestyle": ":"},
}


def panels_of(name: str, figure: Figure) -> list[Panel]:
    """A panel for each plot of a figure."""
    colours = _colours(figure)

    def panel(number: int, plot: Plot) -> Panel:
        return Panel(
            f"{name}_{number}",
            plot.title,
            lambda axes: _draw(axes, plot, colours, alone=len(figure.plots) == 1),
            square=plot.surface is not None,
        )

    return [panel(number, plot) for number, plot in enumerate(figure.plots)]


def _colours(figure: Figure) -> dict[str, str]:
    """One for each label, in the order in which they come."""
    own = [series.label for plot in figure.plots for series in plot.series if series.style not in _STANDARDS]
    return dict(zip(dict.fromkeys(own), cycle(COLOURS), strict=False))


def _draw(axes: Axes, plot: Plot, colours: dict[str, str], alone: bool) -> None:
    # Scales first, since they put ticks of their own in place of others.
    axes.set(xlabel=_written(plot.x), ylabel=_written(plot.y), xscale=plot.x_scale, yscale=plot.y_scale)
    if plot.surface is not None:
        _draw_surface(axes, plot.surface)
        axes.set(title="" if alone else _written(plot.title))
    bars = [series for series in plot.series if series.style == "bars"]
    for series in plot.series:
        if series.style == "bars":
            _draw_bars(axes, series, colours[series.label], bars.index(series), len(bars))
        else:
            _draw_series(axes, series, colours)
        if series.target is not None:
            axes.axhline(series.target, color=colours.get(series.label, GREY), linestyle=":")
    for label, level in plot.levels.items():
        axes.axhline(level, color=GREY, linestyle="--", label=_written(label))
    if plot.categories:
        # Names that would run into each other are turned.
        crowded = sum(map(len, plot.categories)) > _MOST_LETTERS
        turned: dict[str, Any] = (
            {"rotation": 35, "ha": "right", "rotation_mode": "anchor", "fontsize": 7} if crowded else {}
        )
        axes.set_xticks(range(len(plot.categories)), [_written(word) for word in plot.categories], **turned)
    axes.set(xlim=plot.x_limits, ylim=plot.y_limits)
    if any(series.label for series in plot.series) or any(plot.levels):
        handles, labels = axes.get_legend_handles_labels()
        # Several series of one label have one entry.
        entries = dict(zip(reversed(labels), reversed(handles), strict=True))
        shown = list(dict.fromkeys(labels))
        # Bars fill the axes, so that what they mean stands above.
        above: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 2} if plot.categories else {}
        axes.legend([entries[label] for label in shown], shown, fontsize=7, **above)


def _draw_series(axes: Axes, series: Series, colours: dict[str, str]) -> None:
    x, y, error = (_array(values) for values in (series.x, series.y, series.error or ()))
    style = _STANDARDS.get(series.style) or {"color": colours[series.label]}
    label = _written(series.label)
    if series.style in ("points", "linked points"):
        shape = "o-" if series.style == "linked points" else "o"
        # Points without any error have no caps either.
        bars = error if np.nan_to_num(error).any() else None
        axes.errorbar(x, y, bars, fmt=shape, markersize=3, capsize=2, label=label, **style)
        return
    if len(error):
        axes.fill_between(x, y - error, y + error, color=style["color"], alpha=0.25, linewidth=0)
    # A line through a single point would not be seen.
    axes.plot(x, y, label=label, marker="o" if np.isfinite(y).sum() == 1 else None, markersize=3, **style)


def _draw_bars(axes: Axes, series: Series, colour: str, number: int, of: int) -> None:
    width = 0.8 / of
    places = _array(series.x) + width * (number - (of - 1) / 2)
    errors = None if series.error is None else _array(series.error)
    axes.bar(places, _array(series.y), width, yerr=errors, color=colour, label=_written(series.label))
    axes.grid(visible=False, axis="x")


def _draw_surface(axes: Axes, surface: Surface) -> None:
    low, high = surface.limits
    values = np.array([_array(row) for row in surface.values]).T
    image = axes.pcolormesh(_array(surface.x), _array(surface.y), values, cmap="viridis", vmin=low, vmax=high)
    axes.grid(False)
    axes.figure.colorbar(image, ax=axes, label=_written(surface.label), shrink=0.8)


def _array(values: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _written(text: str) -> str:
    """Text as it is: what stands between dollars is no formula."""
    return text[:200].replace("$", r"\$")
