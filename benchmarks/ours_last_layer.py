"""mdfit: what a spread costs, for PaiNN at its default sizes on 64 silicon atoms, in evaluations with forces."""

import importlib.metadata
import os
import statistics
import sys
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdfit.graph import build_graph
from mdfit.potentials import LastLayer, PaiNN, PotentialSet, Scales, ShallowEnsemble, evaluate, evaluate_with_spread
from mdfit.structure import Structure
from timing import report
from workloads import SPREADS

MEMBERS = 8


def potentials_of(work: str) -> dict:
    """The network by itself, with an uncertain last layer, several last layers, and as one of a set."""
    crystal = SPREADS[work]
    members = [PaiNN((14,), crystal.cutoff, key=jax.random.key(number)) for number in range(MEMBERS)]
    features = members[0].last_layer.shape[0]
    return {
        "plain": members[0],
        "last_layer": LastLayer(members[0], jnp.eye(features), Scales(1.0, 1.0)),
        "last_layer_exact": LastLayer(members[0], jnp.eye(features), Scales(1.0, 1.0, 1.0), "exact"),
        "shallow_ensemble": ShallowEnsemble.of(members[0], members=MEMBERS),
        "set": PotentialSet.of(members),
    }


def seconds_of(potentials: dict, graph, repeats: int, seconds: float) -> dict[str, list[float]]:
    """Time of an evaluation in each repeat; they take turns, so that other work on the machine meets all alike."""
    plain, spread = eqx.filter_jit(evaluate), eqx.filter_jit(evaluate_with_spread)

    def once(name: str) -> float:
        # After a call that is not timed, so that none pays for what another has left in the caches.
        jax.block_until_ready((plain if name == "plain" else spread)(potentials[name], graph))
        start = time.perf_counter()
        jax.block_until_ready((plain if name == "plain" else spread)(potentials[name], graph))
        return time.perf_counter() - start

    for name in potentials:
        once(name)
    rounds = max(3, round(seconds / sum(once(name) for name in potentials)))
    times = {name: [] for name in potentials}
    for _ in range(repeats):
        found = {name: [] for name in potentials}
        for _ in range(rounds):
            for name in potentials:
                found[name].append(once(name))
        for name, values in found.items():
            times[name].append(statistics.median(values))
    return times


def main(work: str) -> None:
    crystal = SPREADS[work]
    atoms = crystal.number_of_atoms
    structure = Structure(
        species=np.full(atoms, 14, np.int32),
        positions=crystal.positions(),
        cell=np.diag(crystal.box),
        periodic=np.full(3, True),
        masses=np.full(atoms, crystal.mass),
    )
    graph = build_graph(structure, crystal.cutoff)
    repeats, seconds = int(os.environ.get("BENCHMARK_REPEATS", "5")), float(os.environ.get("BENCHMARK_SECONDS", "5"))
    times = seconds_of(potentials_of(work), graph, repeats, seconds)
    metrics = {}
    for name in times.keys() - {"plain"}:
        ratios = [own / plain for own, plain in zip(times[name], times["plain"], strict=True)]
        error = 1.2533 * statistics.stdev(ratios) / len(ratios) ** 0.5
        metrics[f"{name}_per_evaluation"] = {
            "value": statistics.median(ratios),
            "standard_error": error,
            "unit": "1",
        }
    report(
        work,
        {"seconds_of_evaluation": times["plain"]},
        metrics,
        version=importlib.metadata.version("mdfit"),
        jax=jax.__version__,
        device=jax.devices()[0].device_kind,
        atoms=atoms,
        members=MEMBERS,
        neighbours_per_atom=float(np.asarray(graph.mask).sum() / atoms),
    )


if __name__ == "__main__":
    main(sys.argv[1])
