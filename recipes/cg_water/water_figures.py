"""Pictures of the results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from water_beads import TEMPERATURE
from water_validation import Curve, Validation

from mdfit.measurements import Measurement
from mdfit.potentials import PairPotential, Potential, Sum
from mdfit.units import BOLTZMANN


def draw_curves(
    validations: Mapping[str, Validation], published: Measurement, name: str, label: str, out: Path
) -> None:
    """The distribution ``rdf`` or ``adf`` of every model beside the measured one; below, the deviations."""
    figure = _figure(5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for model, validation in validations.items():
        curve: Curve = getattr(validation, name)
        (line,) = upper.plot(curve.grid, curve.value, lw=1, label=model)
        if model != "prior":
            lower.plot(curve.grid, curve.value - curve.measured, lw=0.8, color=line.get_color())
    # The measured curve on the same grid; the pair potentials, which come last, reach farthest.
    upper.plot(published.observable.grid, published.value, ":", color="0.4", lw=1, label="published model")
    lower.plot(curve.grid, published.value - curve.measured, ":", color="0.4", lw=0.8)
    upper.plot(curve.grid, curve.measured, "k--", lw=1, label="measured")
    lower.axhline(0, color="k", lw=0.5)
    upper.set(ylabel=label)
    lower.set(xlabel="r (Å)" if name == "rdf" else "angle (rad)", ylabel="deviation")
    upper.legend()
    figure.savefig(out, dpi=100)


def draw_learning(histories: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """Deviations and pressure against the number of simulations or updates."""
    figure = _figure(3.2, width=9)
    axes = dict(zip(("RDF", "ADF", "Pressure"), figure.subplots(1, 3), strict=True))
    for index, (model, columns) in enumerate(histories.items()):
        for quantity, values in columns.items():
            axes[quantity].plot(np.arange(1, len(values) + 1), values, lw=1, label=model, color=f"C{index}")
    axes["RDF"].set(ylabel="RMSE of the RDF", yscale="log", xlabel="update")
    axes["ADF"].set(ylabel="RMSE of the ADF (1/rad)", yscale="log", xlabel="update")
    axes["Pressure"].set(ylabel="pressure (bar)", xlabel="update")
    axes["Pressure"].axhline(1, color="k", ls="--", lw=0.8)
    axes["Pressure"].legend(fontsize="small")
    figure.savefig(out, dpi=100)


def draw_pair_potentials(potentials: Mapping[str, Potential], measured: Curve, out: Path) -> None:
    """Potentials of pairs, beside −kT ln g of the measured distribution."""
    figure = _figure(3.6)
    axes = figure.subplots()
    r = np.linspace(2.3, 8.0, 400)
    for model, potential in potentials.items():
        axes.plot(r, pair_energy(potential, r) * 1000, lw=1, label=model)
    with np.errstate(divide="ignore"):
        axes.plot(
            measured.grid,
            -1000 * BOLTZMANN * TEMPERATURE * np.log(np.maximum(measured.measured, 1e-9)),
            "k--",
            lw=0.8,
            label="−kT ln g, measured",
        )
    axes.axhline(0, color="k", lw=0.5)
    axes.set(xlabel="r (Å)", ylabel="energy of a pair (meV)", xlim=(2.3, 8), ylim=(-60, 120))
    axes.legend()
    figure.savefig(out, dpi=100)


def pair_energy(potential: Potential, distances: np.ndarray) -> np.ndarray:
    """Energy of two beads in eV at the distances in Å; of potentials of pairs and their sums."""
    terms = potential.terms if isinstance(potential, Sum) else (potential,)
    kinds = jnp.zeros((), jnp.int32)
    energies = [
        term.pair_energy(jnp.asarray(distances) ** 2, kinds, kinds) for term in terms if isinstance(term, PairPotential)
    ]
    return np.asarray(sum(energies))


def _figure(height: float, width: float = 5.5):
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
