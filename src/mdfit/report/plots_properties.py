"""The equation of state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdfit.report.figures import BLUE, ORANGE, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mdfit.recipes.schema import Properties
    from mdfit.report.run_files import Arrays


def equation_of_state_panels(choice: Properties | None, arrays: Arrays) -> list[Panel]:
    """Energies over volumes per atom with the Birch–Murnaghan curve, beside that of the reference values.

    F. Birch, Phys. Rev. 71, 809 (1947), doi:10.1103/PhysRev.71.809.
    """
    if choice is None or "volumes" not in arrays:
        return []
    volumes, energies = arrays["volumes"], arrays["energies"]
    fitted = _fit(volumes, energies)
    reference = _reference(choice)
    lowest = fitted[0] if fitted else float(energies.min())

    def draw(axes: Axes) -> None:
        axes.plot(volumes, 1e3 * (energies - lowest), "o", ms=3.5, color=BLUE, label="potential")
        grid = np.linspace(volumes.min(), volumes.max(), 200)
        if fitted:
            axes.plot(
                grid, 1e3 * (_birch_murnaghan(grid, *fitted) - lowest), color=BLUE, lw=1, label="Birch–Murnaghan fit"
            )
        if reference is not None:
            volume, modulus, label = reference
            axes.axvline(volume, color=ORANGE, lw=0.8, ls=":")
            if modulus is not None:
                curve = _birch_murnaghan(grid, 0.0, modulus, 4.0, volume)
                axes.plot(grid, 1e3 * curve, color=ORANGE, ls="--", label=label)
        axes.set(xlabel="volume (Å³/atom)", ylabel="energy (meV/atom)")
        axes.legend()

    return [Panel("equation_of_state", _caption(reference), draw)]


def _caption(reference: tuple[float, float | None, str] | None) -> str:
    text = "Energy relative to its minimum over the volume at 0 K."
    if reference is None:
        return text
    volume, modulus, _ = reference
    text += f" Dotted: reference volume, {volume:.3f} Å³/atom."
    return (
        text if modulus is None else text + " Dashed: the curve of the reference volume and bulk modulus with B′ = 4."
    )


def _fit(volumes: np.ndarray, energies: np.ndarray) -> tuple[float, float, float, float] | None:
    """Energy, bulk modulus, its derivative and volume of the minimum; None when the points have no minimum."""
    from ase.eos import EquationOfState

    try:
        curve = EquationOfState(volumes, energies, eos="birchmurnaghan")
        curve.fit(warn=False)
    except (ValueError, RuntimeError, TypeError):
        return None
    return tuple(float(value) for value in curve.eos_parameters)  # type: ignore[return-value]


def _birch_murnaghan(
    volumes: np.ndarray, energy: float, modulus: float, derivative: float, volume: float
) -> np.ndarray:
    """Third-order Birch–Murnaghan energies; the modulus in eV/Å³."""
    from ase.eos import birchmurnaghan

    return birchmurnaghan(volumes, energy, modulus, derivative, volume)


def _reference(choice: Properties) -> tuple[float, float | None, str] | None:
    """Volume per atom (Å³), bulk modulus (eV/Å³) and name of the reference values."""
    from mdfit.recipes.building import build_crystal
    from mdfit.units import GIGAPASCAL

    values = choice.reference
    lattice = values.get("static/lattice_constant")
    if lattice is None:
        return None
    structure = build_crystal(choice.crystal.model_copy(update={"a": lattice}))
    modulus = values.get("static/bulk_modulus")
    if modulus is None and choice.crystal.lattice != "hcp" and {"static/C11", "static/C12"} <= values.keys():
        # Cubic crystals: B = (C11 + 2 C12) / 3.
        modulus = (values["static/C11"] + 2 * values["static/C12"]) / 3
    volume = structure.volume / structure.number_of_atoms
    if modulus is None:
        return volume, None, ""
    return volume, modulus * GIGAPASCAL, f"reference, B = {modulus:.0f} GPa"
