"""What the hardware allows: the least time of a program by its products and by the bytes it moves, beside the measured one.

    python benchmarks/roofline.py        on one core; prints a table, writes results/roofline.json

Products and elementary functions are counted in the compiled program, bytes by XLA: what every fused loop reads and writes,
a gather as if it read its whole operand, so that a program of gathers can be faster than that. The rates are measured on
the same core: of a large product of matrices in single precision, of exponentials, and of the sum of two arrays that fit
into the cache.
"""

import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from run import ENVIRONMENT, HERE, RESULTS, commit, machine, write_json

if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
    os.execve(sys.executable, [sys.executable, str(HERE / "roofline.py"), *sys.argv[1:]], os.environ | ENVIRONMENT)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import equinox as eqx  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

from mdfit.models import Parameters  # noqa: E402
from mdfit.objectives.base import evaluated  # noqa: E402
from mdfit.potentials import forces  # noqa: E402
from mdfit.simulate import JaxMD, Langevin, StatePoint  # noqa: E402
from ours_dynamics import crystal_simulation, graph_at, liquid_simulation  # noqa: E402
from ours_force_matching import training_of  # noqa: E402
from workloads import LIQUIDS  # noqa: E402


class Rates(NamedTuple):
    """Of one core, per second: operations of products, exponentials, bytes to and from the cache."""

    products: float
    functions: float
    bytes: float


class Counts(NamedTuple):
    """Of one call: operations of products (two for each multiplication and addition), elementary functions, bytes."""

    products: float
    functions: float
    bytes: float

    def least_seconds(self, rates: Rates) -> dict[str, float]:
        return {name: getattr(self, name) / getattr(rates, name) for name in self._fields}


def seconds_of(call: Callable[[], Any]) -> float:
    """Median over repeats that take half a second together."""

    def once() -> float:
        start = time.perf_counter()
        jax.block_until_ready(call())
        return time.perf_counter() - start

    once()
    first = once()
    return statistics.median(once() for _ in range(max(5, min(1000, int(0.5 / first)))))


def measured_rates() -> Rates:
    size, small = 1024, jnp.ones(32 * 1024, jnp.float32)
    matrix = jnp.ones((size, size), jnp.float32)
    multiply, exponential = jax.jit(jnp.matmul), jax.jit(jnp.exp)
    # Many sums in one program, since starting it takes longer than one of them.
    repeats = 1000
    adding = jax.jit(lambda x, y: jax.lax.fori_loop(0, repeats, lambda _, z: z + y, x))
    return Rates(
        products=2 * size**3 / seconds_of(lambda: multiply(matrix, matrix)),
        functions=matrix.size / seconds_of(lambda: exponential(matrix)),
        bytes=repeats * 3 * 4 * small.size / seconds_of(lambda: adding(small, small)),
    )


def counted(compiled: Any) -> Counts:
    analysis = compiled.cost_analysis()
    return Counts(
        _operations_of_products(compiled.as_text()),
        float(analysis.get("transcendentals", 0.0)),
        float(analysis["bytes accessed"]),
    )


def _operations_of_products(program: str) -> float:
    """Of all products of matrices in the text of a compiled program."""
    shapes = {name: _sizes(shape) for name, shape in re.findall(r"(%[\w.\-]+) = \w+\[([\d,]*)\]", program)}
    total = 0.0
    for out, left, contracted in re.findall(
        r"= \w+\[([\d,]*)\]\S* dot\((?:\w+\[[\d,]*\]\S* )?(%[\w.\-]+),.*?lhs_contracting_dims=\{([\d,]*)\}", program
    ):
        inner = 1
        for axis in _sizes(contracted):
            inner *= shapes[left][axis]
        outer = 1
        for size in _sizes(out):
            outer *= size
        total += 2 * outer * inner
    return total


def _sizes(text: str) -> list[int]:
    return [int(one) for one in text.split(",") if one]


class Program(NamedTuple):
    """A compiled function and a call of it."""

    compiled: Any
    call: Callable[[], Any]


def training_program(work: str) -> Program:
    """Loss and gradient of one batch."""
    potential, objective = training_of(work)
    parameters = Parameters.of(potential)
    batch, _ = objective.draw(parameters, objective.initial_state(0, parameters))
    arguments = (objective.pure_loss, parameters.trained, parameters.fixed, batch)
    return Program(evaluated.lower(*arguments).compile().compiled, lambda: evaluated(*arguments))


def forces_program(work: str) -> Program:
    """The forces of one step of the dynamics."""
    system, potential, structure, *_ = (liquid_simulation if work in LIQUIDS else crystal_simulation)(work)
    at = StatePoint(structure, system.temperature)
    simulation = JaxMD(skin=system.skin).simulation(potential, [at], Langevin(system.timestep), [structure])
    simulation.begin(jax.random.key(1))
    position = simulation.state.position[0]

    @eqx.filter_jit
    def step(potential: Any, position: jax.Array) -> jax.Array:
        return forces(potential, graph_at(simulation, position))

    return Program(
        step.lower(simulation.potential, position).compile().compiled, lambda: step(simulation.potential, position)
    )


PROGRAMS = {
    "force_matching_molecules": training_program,
    "force_matching_silicon": training_program,
    "dimenet_md_64": forces_program,
    "painn_md_64": forces_program,
    "lennard_jones_901": forces_program,
}


def main() -> None:
    rates = measured_rates()
    metrics = {
        f"roofline/rate_of_{name}": {"value": value, "standard_error": 0.0, "unit": "1/s"}
        for name, value in rates._asdict().items()
    }
    for work, build in PROGRAMS.items():
        program = build(work)
        least = counted(program.compiled).least_seconds(rates)
        found = {**{f"least_by_{name}": value for name, value in least.items()}, "measured": seconds_of(program.call)}
        for name, value in found.items():
            metrics[f"roofline/{work}/{name}"] = {"value": 1e3 * value, "standard_error": 0.0, "unit": "ms"}
        print(work, " ".join(f"{name} {1e3 * value:.3g} ms" for name, value in found.items()), flush=True)
    write_json(RESULTS / "roofline.json", metrics)
    write_json(
        RESULTS / "provenance" / "roofline.json", {"commit": commit(), "machine": machine(), "jax": jax.__version__}
    )


if __name__ == "__main__":
    main()
