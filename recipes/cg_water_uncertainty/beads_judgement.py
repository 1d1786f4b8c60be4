"""Structure and pressure of beads with both error bars, against the potential that all frames give."""

from __future__ import annotations

import numpy as np
from beads_scales import SKIN, TEMPERATURE, Scale

from mdfit.observables import ADF, RDF, Estimate, Observable, Pressure, estimate
from mdfit.potentials import Potential, PotentialSet
from mdfit.recipes.figures import Plot, Series
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.request import Request
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.structure import Structure
from mdfit.uncertainty import SimulationPlan, UncertainEstimate, estimate_simulated, simulate_members

#: Bins of a radial distribution function that is smaller say nothing.
OCCUPIED = 0.1
OBSERVABLES: dict[str, Observable] = {
    "rdf": RDF("8.5 Å", bins=85),
    "adf": ADF("3.18 Å", bins=60, max_neighbours=14),
    "pressure": Pressure(),
}
Found = dict[str, UncertainEstimate]


def truth(request: Request, kind: str, potential: Potential, start: Structure, scale: Scale) -> dict[str, Estimate]:
    """A long simulation of the potential that all frames give."""
    at, sampler = StatePoint(start, TEMPERATURE), Langevin(scale.timestep, "1 /ps")
    trajectory = request.simulate(f"truth_{kind}", potential, at, sampler, scale.truth, engine=JaxMD(SKIN))
    return {name: estimate(observable, trajectory) for name, observable in OBSERVABLES.items()}


def simulated(request: Request, name: str, potentials: PotentialSet, start: Structure, scale: Scale) -> Found:
    """Each member, from the same frame."""
    at, sampler = StatePoint(start, TEMPERATURE), Langevin(scale.timestep, "1 /ps")
    length = scale.member
    plan = SimulationPlan(at, sampler, length.duration, length.every, length.equilibrate, engine=JaxMD(SKIN))
    with request.timed(f"simulate {name}"), request.farm.executor() as executor:
        members = simulate_members(
            potentials,
            plan,
            request.key(f"{name} members"),
            out=request.out / f"{name}_members",
            show_progress=request.show_progress,
            executor=executor,
        )
    found = estimate_simulated(tuple(OBSERVABLES.values()), members)
    return dict(zip(OBSERVABLES, found, strict=True))


def judged(number: int, method: str, found: Found, known: dict[str, Estimate], all_atoms: float) -> Metrics:
    """Widths of the intervals, how many hold the truth, and both error bars of the pressure."""
    metrics: Metrics = {}
    for name in ("rdf", "adf"):
        one, reference = found[name], known[name]
        low, high = one.interval()
        inside = holds(one, reference)
        occupied = reference.value > OCCUPIED * (1 if name == "rdf" else reference.value.max())
        metrics[f"interval_width/{name}/{number}/{method}"] = Metric(float(np.median((high - low)[occupied])), None, "")
        metrics[f"coverage/{name}/{number}/{method}"] = Metric(float(inside[occupied].mean()), None, "")
    pressure = found["pressure"]
    low, high = pressure.interval()
    own = f"{number}/{method}"
    metrics[f"pressure/{own}"] = Metric(float(pressure.value), float(pressure.total_error), "bar")
    metrics[f"pressure_statistical_error/{own}"] = Metric(float(pressure.statistical_error), None, "bar")
    metrics[f"pressure_potential_error/{own}"] = Metric(float(pressure.potential_error), None, "bar")
    metrics[f"coverage/pressure/{own}"] = Metric(float(holds(pressure, known["pressure"])), None, "")
    metrics[f"holds_all_atoms/pressure/{own}"] = Metric(float(low <= all_atoms <= high), None, "")
    metrics[f"exploded/{own}"] = Metric(float(len(pressure.exploded)), None, "")
    return metrics


def holds(found: UncertainEstimate, reference: Estimate) -> np.ndarray:
    """Whether 95 % intervals hold the truth, which is a simulation, too."""
    low, high = found.interval()
    half = np.hypot((high - low) / 2, 1.96 * reference.standard_error)
    return np.abs(reference.value - (low + high) / 2) < half


def rdf_plots(curves: dict[int, Found], known: Estimate, title: str) -> list[Plot]:
    """Intervals for each number of frames."""
    plots = []
    for number, found in curves.items():
        low, high = found["rdf"].interval()
        series = [Series(label="all frames", x=known.grid, y=known.value, style="measured")]
        half = (high - low) / 2
        series.append(Series(label="95 %", x=known.grid, y=found["rdf"].value, error=half))
        name = f"{title}, {number} frames"
        plots.append(Plot(title=name, x="r (Å)", y="g(r)", series=series, x_limits=(2.2, 8.5)))
    return plots


def width_plot(metrics: Metrics, numbers: tuple[int, ...], methods: tuple[str, ...]) -> Plot:
    """Median widths of the intervals of the RDF by the number of frames."""
    series = [
        Series(
            label=method.replace("_", " "),
            x=[float(number) for number in numbers],
            y=[metrics[f"interval_width/rdf/{number}/{method}"].value for number in numbers],
            style="linked points",
        )
        for method in methods
    ]
    return Plot(
        title="Width of intervals", x="frames", y="median width of g(r)", series=series, x_scale="log", y_scale="log"
    )
