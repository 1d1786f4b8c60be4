"""Learning curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mdfit.report.figures import BLUE, ORANGE, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mdfit.report.run_files import RunFiles


@dataclass(frozen=True)
class _Curve:
    """A logged quantity: its keys in training and validation records, and the factors to its unit."""

    name: str
    label: str
    training: str
    validation: str
    training_factor: float = 1.0
    validation_factor: float = 1.0


def learning_panels(run: RunFiles) -> list[Panel]:
    """Loss, force, energy and stress errors of training and validation over the epochs."""
    panels = []
    for curve in _curves(run.loaded.recipe.force_unit):
        trained = _points(run.history, curve.training, curve.training_factor)
        validated = _points(run.history, curve.validation, curve.validation_factor)
        if trained[0] or validated[0]:
            caption = f"{curve.name} over the epochs; validation with the averaged parameters."
            name = "learning_" + curve.name.split()[0].lower()
            panels.append(Panel(name, caption, _drawing(curve, trained, validated)))
    return panels


def _curves(force_unit: str) -> list[_Curve]:
    from mdfit.units import GIGAPASCAL

    force = 1e3 if force_unit == "meV/Å" else 1.0
    return [
        _Curve("Loss", "loss", "loss", "validation_loss"),
        _Curve("Force RMSE", f"force RMSE ({force_unit})", "forces_rmse", "validation_force_rmse", force, force),
        _Curve("Energy RMSE", "energy RMSE (meV/atom)", "energy_rmse", "validation_energy_rmse", 1e3, 1.0),
        _Curve("Stress RMSE", "stress RMSE (GPa)", "stress_rmse", "validation_stress_rmse", 1 / GIGAPASCAL, 1.0),
    ]


def _points(history: list[dict[str, Any]], key: str, factor: float) -> tuple[list[float], list[float]]:
    """Epochs and positive values; labels that no frame has are logged as zero."""
    numbered = enumerate(history, 1)
    pairs = [(record.get("epoch", line), factor * record[key]) for line, record in numbered if record.get(key, 0) > 0]
    return [epoch for epoch, _ in pairs], [value for _, value in pairs]


def _drawing(
    curve: _Curve, trained: tuple[list[float], list[float]], validated: tuple[list[float], list[float]]
) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        few = "o" if max(len(trained[0]), len(validated[0])) < 2 else None
        axes.plot(*trained, color=BLUE, lw=1, marker=few, label="training")
        dots = "o" if len(validated[0]) <= 60 else None
        axes.plot(*validated, color=ORANGE, marker=dots, ms=2.5, label="validation")
        axes.set(xlabel="epoch", ylabel=curve.label, yscale="log")
        _plain_ticks(axes)
        axes.legend()

    return draw


def _plain_ticks(axes: Axes) -> None:
    """Decimal numbers at a logarithmic axis, also between the powers of ten when there are few of them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axes.get_ylim()
    if high < 100 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter("{x:g}")
