"""Plain jax-md: Langevin dynamics of a Lennard-Jones liquid, in the way of its own examples.

Runs in mdfit's environment. usage: jax_md_lennard_jones.py WORK [OrderedSparse | Sparse | Dense]
"""

import functools
import importlib.metadata
import sys

import jax
import jax_md
from jax_md import simulate

import jax_md_liquid
from timing import measure, report
from workloads import BOLTZMANN, FEMTOSECOND, LIQUIDS


def main(work: str, neighbour_format: str = "OrderedSparse") -> None:
    liquid = LIQUIDS[work]
    neighbour_function, energy_function, shift, positions = jax_md_liquid.build(liquid, neighbour_format)
    initialise, apply = simulate.nvt_langevin(
        energy_function,
        shift,
        dt=liquid.timestep * FEMTOSECOND,
        kT=BOLTZMANN * liquid.temperature,
        gamma=liquid.friction / FEMTOSECOND,
    )
    neighbours = neighbour_function.allocate(positions)
    state = initialise(jax.random.PRNGKey(0), positions, mass=liquid.mass, neighbor=neighbours)

    @functools.partial(jax.jit, static_argnums=2)
    def advance(state, neighbours, steps):
        def step(_, carry):
            state, neighbours = carry
            neighbours = neighbours.update(state.position)
            return apply(state, neighbor=neighbours), neighbours

        return jax.lax.fori_loop(0, steps, step, (state, neighbours))

    steps_per_unit = 20

    def run(units: int) -> None:
        nonlocal state, neighbours
        for _ in range(units):
            state, neighbours = advance(state, neighbours, steps_per_unit)
        jax.block_until_ready(state.position)

    def equilibrate() -> None:
        # the melting lattice may outgrow the list: allocate it anew on the way, as the library asks
        nonlocal state, neighbours
        for _ in range(liquid.equilibration_steps // steps_per_unit):
            previous = state
            run(1)
            if neighbours.did_buffer_overflow:
                state, neighbours = previous, neighbour_function.allocate(previous.position)
                run(1)
        neighbours = neighbour_function.allocate(state.position)

    timings = measure(run, steps_per_unit, equilibrate)
    if neighbours.did_buffer_overflow:
        raise SystemExit("the neighbour list overflowed while the clock ran: the timing is not valid")
    report(
        work,
        timings,
        version=importlib.metadata.version("jax-md"),
        jax=jax.__version__,
        neighbour_format=neighbour_format,
        atoms=liquid.number_of_atoms,
        cutoff=liquid.cutoff,
        temperature=float(jax_md.quantity.temperature(momentum=state.momentum, mass=state.mass) / BOLTZMANN),
        potential_energy_per_atom=float(energy_function(state.position, neighbours)) / liquid.number_of_atoms,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
