"""Independent simulations of the models, and how far their structure is from that of all atoms."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tip4p_scales import TEMPERATURE, Judging
from tip4p_training import SKIN, sampler

from mdfit.measurements import Measurement
from mdfit.observables import (
    ADF,
    RDF,
    EquilateralTripletCorrelation,
    Observable,
    Pressure,
    Temperature,
    estimate,
    jackknife,
    per_frame,
)
from mdfit.potentials import Potential
from mdfit.progress import Bar
from mdfit.recipes.arrays import Layout, load_arrays, save_arrays
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.simulate import JaxMD, StatePoint, Trajectory, run
from mdfit.structure import Structure

DATA = Path(__file__).parent / "data"
#: Of the published RDF in Å, and of the Gaussian that smears it.
WIDTH = 8.5 / 300
#: Both legs of an angle, in Å.
LEG = 3.18
#: A trajectory is cut into so many parts for the errors of its curves.
BLOCKS = 10
KINDS = ("rdf", "adf", "g3")


@dataclass(frozen=True, eq=False)
class Curve:
    """A distribution: an observable and its averages over parts of a trajectory, ``(blocks, bins)``."""

    observable: Observable
    blocks: np.ndarray

    @property
    def value(self) -> np.ndarray:
        return self._of(self.blocks.mean(axis=0))

    @property
    def standard_error(self) -> np.ndarray:
        return jackknife(self._of, self.blocks)[1]

    def deviation(self, other: np.ndarray) -> tuple[float, float]:
        """Root mean square of the difference over the bins of ``other``, the first ones, and its error.

        The error is that of leaving out a part at a time.  The statistical errors of both curves are part of the deviation.
        """
        value, error = jackknife(lambda average: _rms(self._of(average)[: len(other)] - other), self.blocks)
        return float(value), float(error)

    def _of(self, average: np.ndarray) -> np.ndarray:
        return np.asarray(self.observable.combine(jnp.asarray(average)))


Curves = dict[str, Curve]


def observables(structure: Structure) -> dict[str, Observable]:
    """The RDF up to half the cell, in bins of the published width; ADF and three-body correlation on the published bins."""
    half = float(np.diag(structure.cell).min()) / 2
    # The Gaussian reaches five widths further.
    bins = int(half / WIDTH - 5)
    return {
        "rdf": RDF(bins * WIDTH, bins, smearing=WIDTH),
        "adf": ADF(LEG, bins=150, max_neighbours=14),
        "g3": EquilateralTripletCorrelation(2.0, 5.0, 50, max_neighbours=40),
    }


def published(structure: Structure) -> dict[str, np.ndarray]:
    """The curves of TIP4P/2005 that were published, on the first bins of ours."""
    at = StatePoint(structure, TEMPERATURE)
    own = observables(structure)
    bins = min(own["rdf"].bins, 300)  # type: ignore[attr-defined]
    own["rdf"] = RDF(bins * WIDTH, bins, smearing=WIDTH)
    files = {"rdf": "published_rdf.csv", "adf": "published_adf.csv", "g3": "published_three_body.csv"}
    return {kind: np.asarray(Measurement(own[kind], DATA / file, at, weight=1.0).value) for kind, file in files.items()}


def curves(trajectory: Trajectory, path: Path) -> Curves:
    """All three, kept in a file, from which they are read when it is there."""
    chosen = observables(trajectory.structure(0))
    if not path.exists():
        values = {kind: per_frame(observable, trajectory)[0] for kind, observable in chosen.items()}
        parts = {k: np.array([p.mean(axis=0) for p in np.array_split(v, BLOCKS)]) for k, v in values.items()}
        save_arrays(path, parts)
    kept = load_arrays(path, {kind: Layout((BLOCKS, kind)) for kind in chosen})
    return {kind: Curve(observable, kept[kind]) for kind, observable in chosen.items()}


def simulate(
    model: Potential, at: StatePoint, timestep: float, judging: Judging, seed: int, path: Path, show_progress: bool
) -> Trajectory:
    """A new simulation; goes on where a run that wrote ``path`` stopped."""
    return run(
        model,
        at,
        sampler(timestep),
        duration=judging.duration,
        equilibrate=judging.equilibrate,
        every=judging.every,
        key=jax.random.key(seed),
        engine=JaxMD(skin=SKIN),
        out=path,
        show_progress=show_progress,
    )


def judged(name: str, trajectory: Trajectory, own: Curves, reference: Curves) -> Metrics:
    """Deviations from the all-atom curves, pressure and kinetic temperature."""
    metrics = {}
    for kind, unit in zip(KINDS, ("", "1/rad", ""), strict=True):
        value, error = own[kind].deviation(reference[kind].value)
        _, of_reference = reference[kind].deviation(own[kind].value)
        metrics[f"{kind}_rmse/{name}"] = Metric(value, float(np.hypot(error, of_reference)), unit)
    for observable in (Pressure(), Temperature()):
        metrics[f"{observable.name.lower()}/{name}"] = Metric.of(estimate(observable, trajectory))
    return metrics


def judged_reference(reference: Curves, structure: Structure) -> Metrics:
    """Deviations of the all-atom curves from the published ones, and of its first half from its second."""
    metrics = {}
    for (kind, curve), unit in zip(published(structure).items(), ("", "1/rad", ""), strict=True):
        metrics[f"{kind}_rmse/reference"] = Metric(*reference[kind].deviation(curve), unit)
        halves = [Curve(reference[kind].observable, half) for half in np.array_split(reference[kind].blocks, 2)]
        metrics[f"{kind}_rmse/halves"] = Metric(_rms(halves[0].value - halves[1].value), None, unit)
    return metrics


def speed(model: Potential, at: StatePoint, timestep: float, steps: int, seed: int) -> Metric:
    """Of a simulation that is compiled and under way, in ns/day."""
    simulation = JaxMD(skin=SKIN).simulation(model, [at], sampler(timestep), [at.structure])
    simulation.begin(jax.random.key(seed))
    simulation.advance(max(20, steps // 5), Bar())
    simulation.frame()
    began = time.perf_counter()
    simulation.advance(steps, Bar())
    simulation.frame()
    return Metric(86400e-6 * steps * timestep / (time.perf_counter() - began), None, "ns/day")


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))
