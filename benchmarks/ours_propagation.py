"""mdfit: the error of the potential in energy and pressure of a liquid, by a simulation of each of eight members, and by
reweighting one trajectory of the first of them to all.

What is known better for the same time is worth more: costs are processor seconds times the squared statistical error of
the differences between members, from which the error of the potential follows.
"""

import importlib.metadata
import os
import statistics
import sys
import time

import jax
import numpy as np
from ase.build import bulk

from mdfit import StatePoint, Structure
from mdfit.observables import PotentialEnergy, Pressure
from mdfit.potentials import LennardJones, PotentialSet
from mdfit.simulate import Langevin
from mdfit.uncertainty import SimulationPlan, estimate_reweighted, estimate_simulated, member_weights, simulate_members
from timing import report

MEMBERS, SPREAD = 8, 0.001
OBSERVABLES = {"energy": PotentialEnergy(), "pressure": Pressure()}


def plan() -> SimulationPlan:
    """108 atoms of liquid argon at 94 K, 100 ps."""
    liquid = Structure.from_ase(bulk("Ar", "fcc", a=5.78, cubic=True).repeat(3))
    at = StatePoint(liquid, "94 K")
    return SimulationPlan(at, Langevin("4 fs", "5 /ps"), duration="100 ps", every="0.2 ps", equilibrate="10 ps")


def members() -> PotentialSet:
    """Lennard-Jones, with depths that scatter by 0.1 % and lengths by a fifth of it."""
    scatter = SPREAD * np.random.default_rng(0).standard_normal((MEMBERS, 2))
    return PotentialSet.of([LennardJones(0.0103 * (1 + e), 3.4 * (1 + s / 5), 8.0) for e, s in scatter])


def by_simulations(seed: int) -> tuple[float, dict[str, float]]:
    """Processor seconds, and the errors of the members' values."""
    began = time.process_time()
    found = estimate_simulated(list(OBSERVABLES.values()), simulate_members(members(), plan(), jax.random.key(seed)))
    took = time.process_time() - began
    return took, {
        name: float(one.statistical_error) * MEMBERS**0.5 for name, one in zip(OBSERVABLES, found, strict=True)
    }


def by_reweighting(seed: int) -> tuple[float, dict[str, float], float]:
    """Processor seconds, the errors of the members' differences from their mean, and independent samples of the worst."""
    began = time.process_time()
    potentials = members()
    frames = member_weights(potentials, plan().run(potentials[0], jax.random.key(seed)))
    found = estimate_reweighted(list(OBSERVABLES.values()), frames)
    took = time.process_time() - began
    # What the scatter of the members holds beside their spread is the mean square of these errors.
    errors = {}
    for name, one in zip(OBSERVABLES, found, strict=True):
        scatter = np.var(one.members, ddof=1) - float(one.potential_error) ** 2
        errors[name] = float(np.sqrt(max(scatter, 1e-300)))
    return took, errors, float(frames.worth.min())


def main(work: str) -> None:
    repeats = int(os.environ.get("BENCHMARK_REPEATS", "3"))
    by_simulations(99), by_reweighting(99)
    ratios: dict[str, list[float]] = {name: [] for name in OBSERVABLES}
    times: dict[str, list[float]] = {"simulations": [], "reweighting": []}
    worth = []
    for seed in range(repeats):
        simulated, noise = by_simulations(seed)
        reweighted, difference, samples = by_reweighting(seed)
        times["simulations"].append(simulated)
        times["reweighting"].append(reweighted)
        worth.append(samples)
        for name in OBSERVABLES:
            ratios[name].append(simulated * noise[name] ** 2 / (reweighted * difference[name] ** 2))

    def metric(values: list[float], unit: str) -> dict:
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        return {
            "value": statistics.median(values),
            "standard_error": 1.2533 * spread / len(values) ** 0.5,
            "unit": unit,
        }

    metrics = {f"{name}_time": metric(values, "s") for name, values in times.items()}
    metrics |= {f"cost_of_simulations_over_reweighting_{name}": metric(values, "1") for name, values in ratios.items()}
    metrics["independent_samples"] = metric(worth, "1")
    report(work, {}, metrics, version=importlib.metadata.version("mdfit"), members=MEMBERS, atoms=108, spread=SPREAD)


if __name__ == "__main__":
    main(sys.argv[1])
