"""Panels as pictures: one style, drawn without matplotlib's global figure state."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdfit.storage import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, distinguishable with any colour vision.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY, INK = "#6b7280", "#1f2937"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, "#E69F00")

#: A vector picture above this size is embedded as pixels instead.
LARGEST_VECTOR = 150_000

_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9ca3af",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#e5e7eb",
    "grid.linewidth": 0.6,
    "xtick.color": "#4b5563",
    "ytick.color": "#4b5563",
    "lines.linewidth": 1.3,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "mdfit",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Panel:
    """One plot.

    Attributes:
        name: for file names, unique in a report.
        caption: what it shows, in words; also the alternative text.
        draw: draws into axes.
        square: as high as wide.
    """

    name: str
    caption: str
    draw: Callable[[Axes], None]
    square: bool = False


@dataclass(frozen=True)
class Picture:
    """A panel as a data URI for an HTML page."""

    source: str
    caption: str


def picture(panel: Panel) -> Picture:
    """A vector picture, or pixels where that is smaller."""
    svg = _render([panel], "svg", 200)
    if len(svg) <= LARGEST_VECTOR:
        return Picture("data:image/svg+xml;base64," + base64.b64encode(svg).decode(), panel.caption)
    return Picture("data:image/png;base64," + base64.b64encode(_render([panel], "png", 200)).decode(), panel.caption)


def save_row(panels: Sequence[Panel], path: Path, largest: int = 100_000) -> None:
    """Writes panels side by side as a PNG of less than ``largest`` bytes."""
    for dots_per_inch in (150, 130, 115, 100, 88, 75, 50):
        content = _render(panels, "png", dots_per_inch)
        if len(content) < largest:
            break
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def _render(panels: Sequence[Panel], kind: str, dots_per_inch: int) -> bytes:
    import matplotlib

    # Applied while drawing, too: matplotlib reads most of its settings when an artist is made.
    with matplotlib.rc_context(_STYLE):
        figure = _figure(panels)
        buffer = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(buffer, format=kind, dpi=dots_per_inch, metadata=metadata)
    return buffer.getvalue()


def _figure(panels: Sequence[Panel]) -> Figure:
    from matplotlib.figure import Figure

    height = 3.9 if any(panel.square for panel in panels) else 3.1
    figure = Figure(figsize=(4.2 * len(panels), height), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        panel.draw(axes)
    return figure
