"""Learning curves and the structure of the liquid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from silicon_properties import dft_liquid_rdf

from mdfit.report.figures import BLUE, GREY, ORANGE, Panel, save_row
from mdfit.units import BAR, GIGAPASCAL

#: Name in the log, name in the plot, measured value and factor to GPa.
CURVES = (
    ("0/Pressure", "pressure", 0.0, BAR / GIGAPASCAL),
    ("0/ElasticConstants/C11", "C11", 165.78, 1.0),
    ("0/ElasticConstants/C12", "C12", 63.94, 1.0),
    ("0/ElasticConstants/C44", "C44", 79.62, 1.0),
)


def draw_learning(history: list[dict[str, Any]], path: Path) -> None:
    """Predictions on the training trajectories before each update, and the measured values."""

    def panel(name: str, label: str, measured: float, factor: float) -> Panel:
        def draw(axes) -> None:
            points = [(step, factor * record[name]) for step, record in enumerate(history) if name in record]
            axes.plot(*zip(*points, strict=True), "o-", color=BLUE, markersize=3, label="training trajectory")
            axes.axhline(measured, color=GREY, linestyle="--", label="experiment")
            axes.set(xlabel="updates", ylabel=f"{label} (GPa)")
            axes.legend()

        return Panel(label, f"{label} during training", draw)

    save_row([panel(*curve) for curve in CURVES if curve[0] in history[-1]], path)


def draw_liquid(curves: dict[str, Path], path: Path) -> None:
    """Radial distribution functions of the liquid: DFT, before and after."""

    def draw(axes) -> None:
        axes.plot(*dft_liquid_rdf(), ".", color=GREY, label="DFT, 18 snapshots")
        for (name, file), colour in zip(curves.items(), (BLUE, ORANGE), strict=True):
            r, g, _ = np.loadtxt(file, delimiter=",", skiprows=1).T
            axes.plot(r, g, color=colour, label=name)
        axes.set(xlabel="r (Å)", ylabel="g(r)")
        axes.legend()

    save_row([Panel("liquid_rdf", "Radial distribution function of the liquid at 2530 K", draw)], path)
