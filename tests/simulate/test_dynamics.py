"""The equations of motion: conserved energy, lists that never miss a pair, replicas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import NeighborListError, SimulationError
from mdfit.potentials import LennardJones, StillingerWeber
from mdfit.simulate import NPT, NVE, JaxMD, Langevin, NoseHoover, StatePoint, run
from mdfit.simulate.jax_md.simulation import PACKING_MARGIN, JaxSimulation
from mdfit.structure import Structure
from mdfit.units import BOLTZMANN, FEMTOSECOND

KEY = jax.random.key(1)


def simulate(potential, structure, sampler, steps, temperature=60.0, every=None, **settings):
    """``steps`` time steps in double precision."""
    step = sampler.timestep_fs
    point = StatePoint(structure, temperature, settings.pop("pressure", None))
    interval = step * (every or steps)
    lists = {name: settings.pop(name) for name in ("skin", "neighbour_lists") if name in settings}
    settings = {"key": KEY, "engine": JaxMD(dtype="float64", **lists), **settings}
    return run(potential, point, sampler, duration=steps * step, every=interval, **settings)


def total_energies(trajectory):
    return trajectory.potential_energies + trajectory.kinetic_energies


def moving(small, structure, potential, temperature, steps=200):
    """The structure after a short run, so that potential and kinetic energy are in balance."""
    return simulate(potential, structure, Langevin(4.0, 10.0), steps, temperature).structure()


@pytest.mark.parametrize("case", ["lennard_jones", "stillinger_weber"])
def test_energy_fluctuation_falls_as_the_square_of_the_time_step(small, case):
    if case == "lennard_jones":
        potential, structure, step, temperature = small.potential, small.argon(), 8.0, 40.0
    else:
        potential, structure, step, temperature = StillingerWeber.silicon(), small.silicon(), 1.0, 600.0
    start = moving(small, structure, potential, temperature)
    fluctuations = []
    for halving in (1, 2):
        # The same times in both runs.
        trajectory = simulate(potential, start, NVE(step / halving), 400 * halving, temperature, every=2 * halving)
        fluctuations.append(np.std(total_energies(trajectory)))
    assert fluctuations[1] > 1e-9
    assert fluctuations[0] / fluctuations[1] == pytest.approx(4, rel=0.06)


def test_positions_follow_velocity_verlet(small):
    structure, step = small.molecule(), 2.0
    start = moving(small, structure, small.potential, 30.0, steps=20)
    found = simulate(small.potential, start, NVE(step), 3, every=1)
    position, velocity = start.positions.copy(), _at_rest(start)
    mass, dt = start.masses[:, None], step * FEMTOSECOND
    force = _forces(small.potential, position)
    for frame in range(3):
        velocity = velocity + 0.5 * dt * force / mass
        position = position + dt * velocity
        force = _forces(small.potential, position)
        velocity = velocity + 0.5 * dt * force / mass
        np.testing.assert_allclose(found.positions[0, frame], position, atol=1e-10)
        np.testing.assert_allclose(found.velocities[0, frame], velocity, atol=1e-10)


def _at_rest(structure):
    """Velocities without that of the centre of mass."""
    return structure.velocities - structure.masses @ structure.velocities / structure.masses.sum()


def _forces(potential, positions):
    """By finite differences of the pair energy over all pairs."""
    first, second = np.triu_indices(len(positions), 1)

    def energy(places):
        squared = np.sum((places[first] - places[second]) ** 2, axis=1)
        return float(jnp.sum(potential.pair_energy(jnp.asarray(squared), None, None)))

    forces = np.zeros_like(positions)
    for index in np.ndindex(*positions.shape):
        shift = np.zeros_like(positions)
        shift[index] = 1e-4
        near, far = (energy(positions + n * shift) - energy(positions - n * shift) for n in (1, 2))
        forces[index] = -(8 * near - far) / 12e-4
    return forces


def counted_rebuilds(monkeypatch):
    from mdfit.simulate.jax_md.neighbours import HostLists

    calls = []
    build = HostLists.build
    monkeypatch.setattr(HostLists, "build", lambda self, *where: calls.append(1) or build(self, *where))
    return calls


@pytest.mark.parametrize("sampler", [NVE(3.0), NPT(3.0, barostat_relaxation=200.0)], ids=["NVE", "NPT"])
def test_thin_and_thick_skins_give_the_same_trajectory(small, monkeypatch, sampler):
    # The crystal is squeezed and hot, so that atoms move and, at constant pressure, the cell grows and shrinks.
    structure = small.argon(lattice=5.2)
    pressure = 2000.0 if sampler.ensemble == "NPT" else None
    rebuilds = counted_rebuilds(monkeypatch)
    found = {}
    for skin in (0.12, 3.0):
        rebuilds.clear()
        arguments = {"skin": skin, "pressure": pressure, "temperature": 120.0, "every": 10}
        found[skin] = simulate(small.potential, structure, sampler, 200, **arguments), len(rebuilds)
    (thin, many), (thick, few) = found[0.12], found[3.0]
    assert many > 15 > 3 >= few
    np.testing.assert_allclose(thin.positions, thick.positions, atol=1e-7)
    np.testing.assert_allclose(thin.cells, thick.cells, atol=1e-8)
    np.testing.assert_allclose(thin.potential_energies, thick.potential_energies, atol=1e-8)


@pytest.mark.parametrize(("replicas", "skin"), [(1, 2.0), (2, 2.0), (1, 0.1)])
def test_more_neighbours_than_there_was_room_for_are_not_lost(small, monkeypatch, replicas, skin):
    # In the perfect crystal only four neighbours are within the cutoff; at 3000 K there are many more.
    structure, potential = small.silicon(), StillingerWeber.silicon()
    widths = []
    pack = JaxSimulation._pack
    monkeypatch.setattr(JaxSimulation, "_pack", lambda self, width: widths.append(width) or pack(self, width))
    arguments = {"temperature": 3000.0, "every": 20, "replicas": replicas, "skin": skin}
    packed = simulate(potential, structure, NVE(1.0), 200, **arguments)
    monkeypatch.setattr(StillingerWeber, "many_body", False)
    plain = simulate(potential, structure, NVE(1.0), 200, **arguments)
    assert widths[0] == 4 + PACKING_MARGIN
    assert len(widths) > 1
    np.testing.assert_allclose(packed.positions, plain.positions, atol=1e-7)
    np.testing.assert_allclose(packed.potential_energies, plain.potential_energies, atol=1e-7)


def test_energy_is_conserved_across_many_rebuilds(small, monkeypatch):
    start = moving(small, small.argon(lattice=5.7), small.potential, 150.0, 300)
    rebuilds = counted_rebuilds(monkeypatch)
    trajectory = simulate(small.potential, start, NVE(2.0), 1000, every=20, skin=0.1)
    assert len(rebuilds) > 50
    energy = total_energies(trajectory)[0]
    thermal = 1.5 * BOLTZMANN * 150.0
    assert np.ptp(energy) / len(start.species) < 2e-3 * thermal


def test_lists_of_host_and_device_give_the_same_trajectory(small):
    structure = small.argon(3)
    arguments = {"steps": 60, "every": 10, "temperature": 100.0, "skin": 0.3}
    host, device = (
        simulate(small.potential, structure, NVE(5.0), neighbour_lists=choice, **arguments)
        for choice in ("host", "device")
    )
    np.testing.assert_allclose(host.positions, device.positions, atol=1e-9)
    np.testing.assert_allclose(host.potential_energies, device.potential_energies, atol=1e-9)
    np.testing.assert_allclose(host.stresses, device.stresses, atol=1e-10)


def test_all_pairs_of_a_cluster_give_the_same_trajectory(small):
    """Lists of all pairs, which is the choice in vacuum, and lists searched for again and again."""
    atoms = small.argon(2)
    cluster = Structure(atoms.species, atoms.positions, np.zeros((3, 3)), np.zeros(3, bool), atoms.masses)
    assert cluster.number_of_atoms == 32
    arguments = {"steps": 60, "every": 10, "temperature": 60.0, "skin": 0.3}
    searched, all_pairs = (
        simulate(small.potential, cluster, NVE(5.0), neighbour_lists=choice, **arguments) for choice in ("host", "auto")
    )
    np.testing.assert_allclose(all_pairs.positions, searched.positions, atol=1e-9)
    np.testing.assert_allclose(all_pairs.potential_energies, searched.potential_energies, atol=1e-9)


def test_cell_too_narrow_for_device_lists_is_refused(small):
    with pytest.raises(NeighborListError, match=r"repeat\(\(2, 2, 2\)\)"):
        simulate(small.potential, small.argon(2), NVE(5.0), 5, neighbour_lists="device")


@pytest.mark.parametrize(
    "sampler", [Langevin(5.0, 2.0), NoseHoover(5.0), NPT(5.0)], ids=["Langevin", "NoseHoover", "NPT"]
)
def test_replicas_equal_single_runs(small, sampler):
    structure = small.argon(2)
    point = StatePoint(structure, 80.0, 500.0 if sampler.ensemble == "NPT" else None)
    keys = jax.random.split(KEY, 3)

    class Bar:
        def advance(self, steps):
            pass

    def final(chosen):
        engine = JaxMD(skin=0.2, neighbour_lists="host", dtype="float64")
        simulation = engine.simulation(small.potential, [point], sampler, [structure] * len(chosen))
        simulation.begin(KEY)
        context = simulation.context
        places = jnp.tile(jnp.asarray(structure.positions), (len(chosen), 1, 1))
        masses = jnp.asarray(structure.masses)
        simulation.state = simulation.dynamics.initialize(chosen, places, masses, None, context)
        simulation.advance(60, Bar())
        return simulation.frame()

    together = final(keys)
    assert np.abs(together["positions"][0] - together["positions"][1]).max() > 0.1
    for replica in range(3):
        alone = final(keys[replica : replica + 1])
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][replica], atol=1e-9, err_msg=name)


def test_frames_and_times_are_exact(small):
    trajectory = simulate(small.potential, small.molecule(), Langevin("0.5 fs"), 30, every=3, equilibrate="2 fs")
    np.testing.assert_allclose(trajectory.times, 1.5 * np.arange(1, 11), rtol=1e-12)
    assert trajectory.positions.shape == (1, 10, 8, 3)


def test_first_velocities_are_kept(small):
    start = moving(small, small.molecule(), small.potential, 30.0, steps=20)
    trajectory = simulate(small.potential, start, NVE(0.001), 1)
    np.testing.assert_allclose(trajectory.velocities[0, 0], _at_rest(start), atol=1e-6)


def test_volume_of_a_primitive_cell_follows_the_pressure(small):
    # The first vector of this cell has no x component.
    from ase.build import bulk

    from mdfit.structure import Structure

    primitive = Structure.from_ase(bulk("Ar", "fcc", a=5.4)).repeat((3, 3, 3))
    cubic = small.argon(2)
    volumes = []
    for structure in (primitive, cubic):
        sampler = NPT(5.0, barostat_relaxation=500.0)
        trajectory = simulate(small.potential, structure, sampler, 600, 20.0, every=10, pressure=4000.0)
        volumes.append(trajectory.volumes[0, 30:].mean() / structure.number_of_atoms)
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)
    assert volumes[0] < 0.97 * cubic.volume / cubic.number_of_atoms


def test_potential_parameters_are_not_baked_into_single_precision(small):
    # Double precision in, double precision out: an energy that single precision cannot hold.
    trajectory = simulate(LennardJones(0.0104, 3.4, 6.0), small.molecule(), NVE(1.0), 1)
    assert trajectory.positions.dtype == np.float64
    assert float(np.float32(trajectory.potential_energies[0, 0])) != trajectory.potential_energies[0, 0]


def test_replicas_start_where_they_are_told(small):
    """Without forces and noise to speak of, each stays near its own start; wrong starts are named."""
    here = small.molecule()
    starts = [here.replace(positions=here.positions * factor) for factor in (1.0, 1.02, 1.05)]
    trajectory = simulate(small.potential, here, NVE(0.01), 1, temperature=1e-9, replicas=3, starts=starts)
    for found, start in zip(trajectory.positions[:, 0], starts, strict=True):
        np.testing.assert_allclose(found, start.positions, atol=1e-6)
    with pytest.raises(SimulationError, match="2 starts are given for 3 replicas"):
        simulate(small.potential, here, NVE(1.0), 1, replicas=3, starts=starts[:2])
    other = here.replace(species=np.full(8, 10, np.int32))
    with pytest.raises(SimulationError, match="replica 1 has other atoms"):
        simulate(small.potential, here, NVE(1.0), 1, replicas=2, starts=[here, other])


def test_a_second_simulation_compiles_nothing(small):
    """Of other parameters, positions and random numbers, with the same sampler; another time step is another program."""
    names, structure = [], small.argon()
    jax.monitoring.register_event_duration_secs_listener(lambda name, *_, **__: names.append(name))

    def programs(epsilon, timestep, seed):
        names.clear()
        moved = structure.replace(positions=structure.positions + 0.01 * seed)
        potential = LennardJones(epsilon, 3.4, 6.0, switch_start=5.0)
        simulate(potential, moved, NVE(timestep), 8, every=4, key=jax.random.key(seed))
        return sum(name.endswith("backend_compile_duration") for name in names)

    assert programs(0.0104, 3.7, 0) > 0
    assert programs(0.0120, 3.7, 1) == 0
    assert programs(0.0104, 3.8, 0) > 0
