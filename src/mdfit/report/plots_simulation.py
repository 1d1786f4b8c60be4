"""Traces and radial distribution functions of simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdfit.report.figures import BLUE, COLOURS, GREY, INK, ORANGE, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mdfit.recipes.schema import SimulationChoice
    from mdfit.report.run_files import Arrays

#: Points of a trace; longer ones are shown as means over intervals.
_MOST_POINTS = 1000


def simulation_panels(name: str, simulation: SimulationChoice, arrays: Arrays) -> list[Panel]:
    """Temperature, energies, pressure (of constant-pressure runs) and radial distribution function of a simulation."""
    panels = [_temperature(name, simulation, arrays), _energy(name, simulation, arrays)]
    if simulation.sampler == "NPT" and "pressure" in arrays:
        panels.append(_pressure(name, arrays))
    if "rdf" in arrays:
        panels.append(rdf_panel(name, arrays))
    return panels


def rdf_panel(name: str, arrays: Arrays) -> Panel:
    """The radial distribution function with a band of one standard error."""
    distance, value, error = arrays["rdf_r"], arrays["rdf"], arrays["rdf_error"]
    of_potential = arrays.get("rdf_potential_error")

    def draw(axes: Axes) -> None:
        axes.axhline(1, color=GREY, lw=0.8)
        if of_potential is not None:
            low, high = value - of_potential, value + of_potential
            axes.fill_between(distance, low, high, color=ORANGE, alpha=0.25, lw=0, label="± potential's error")
        axes.fill_between(
            distance, value - error, value + error, color=BLUE, alpha=0.25, lw=0, label="± standard error"
        )
        axes.plot(distance, value, color=BLUE)
        axes.set(xlabel="distance r (Å)", ylabel="g(r)", ylim=(0, None), xlim=(0, float(distance[-1])))
        axes.legend()

    errors = "its standard error" if of_potential is None else "its standard error and that of the potential"
    return Panel(f"rdf_{name}", f"Radial distribution function of all atoms with {errors}.", draw)


def _temperature(name: str, simulation: SimulationChoice, arrays: Arrays) -> Panel:
    def draw(axes: Axes) -> None:
        _traces(axes, arrays["times"], arrays["temperature"])
        if simulation.sampler != "NVE" and simulation.temperature is not None:
            axes.axhline(simulation.temperature, color=INK, lw=1, ls="--", label="thermostat")
            axes.legend()
        axes.set(xlabel="time (ps)", ylabel="temperature (K)")

    return Panel(f"temperature_{name}", "Temperature.", draw)


def _pressure(name: str, arrays: Arrays) -> Panel:
    def draw(axes: Axes) -> None:
        _traces(axes, arrays["times"], arrays["pressure"])
        axes.set(xlabel="time (ps)", ylabel="virial pressure (GPa)")

    return Panel(f"pressure_{name}", "Instantaneous pressure, kinetic part included.", draw)


def _energy(name: str, simulation: SimulationChoice, arrays: Arrays) -> Panel:
    if simulation.sampler == "NVE":
        return _total_energy(name, arrays)
    potential, total = np.atleast_2d(arrays["potential_energy"]), np.atleast_2d(arrays["total_energy"])

    def draw(axes: Axes) -> None:
        for values, colour, label in ((total, ORANGE, "total"), (potential, BLUE, "potential")):
            _traces(axes, arrays["times"], values, colour, label)
        axes.set(xlabel="time (ps)", ylabel="energy (eV/atom)")
        axes.legend()

    return Panel(f"energy_{name}", "Potential and total energy.", draw)


def _total_energy(name: str, arrays: Arrays) -> Panel:
    """Change of the conserved energy, averaged over replicas, with its straight line."""
    total = 1e3 * np.atleast_2d(arrays["total_energy"])
    change = total - total[:, :1]
    time = arrays["times"] / 1e3

    def draw(axes: Axes) -> None:
        _traces(axes, arrays["times"], change)
        if len(time) > 2:
            slope, start = np.polyfit(time, change.mean(axis=0), 1)
            label = f"slope {slope:.2g} meV/atom/ps"
            axes.plot(time, start + slope * time, color=ORANGE, ls="--", label=label)
            axes.legend()
        axes.set(xlabel="time (ps)", ylabel="total energy change (meV/atom)")

    return Panel(f"energy_{name}", "Change of the total energy, which NVE dynamics should conserve.", draw)


def _traces(axes: Axes, times: np.ndarray, values: np.ndarray, colour: str | None = None, label: str = "") -> None:
    """One line per replica over the time in ps."""
    replicas = np.atleast_2d(values)
    for index, trace in enumerate(replicas):
        shade = colour or COLOURS[index % len(COLOURS)]
        width = 0.9 if len(replicas) == 1 else 0.6
        axes.plot(*_thinned(times / 1e3, trace), color=shade, lw=width, label=label if index == 0 else None)


def _thinned(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    block = -(-len(times) // _MOST_POINTS)
    count = len(times) // block
    return tuple(array[: count * block].reshape(count, block).mean(axis=1) for array in (times, values))
