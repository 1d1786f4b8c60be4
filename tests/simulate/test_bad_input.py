"""What cannot be simulated stops with one sentence that says when, what and what to do."""

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.errors import NeighborListError, SimulationError, UnitError, UnknownSpeciesError
from mdfit.potentials import LennardJones, StillingerWeber
from mdfit.potentials.pair import PairPotential
from mdfit.simulate import NPT, NVE, JaxMD, Langevin, NoseHoover, StatePoint, run, sampler_of


def go(potential, structure, sampler, temperature=60.0, pressure=None, **settings):
    settings = {"duration": 100.0, "every": 10.0, "key": jax.random.key(0), **settings}
    return run(potential, StatePoint(structure, temperature, pressure), sampler, **settings)


class Treacherous(PairPotential):
    """Harmless until two atoms come closer than ``edge``; then the energy or only the slope is not a number."""

    cutoff: float = eqx.field(static=True, default=6.0)
    edge: float = eqx.field(static=True, default=3.0)
    what: str = eqx.field(static=True, default="energy")

    @property
    def species(self):
        return ()

    def pair_energy(self, squared_distance, first, second):
        smooth = 1e-3 * (squared_distance - self.cutoff**2) ** 2 / self.cutoff**4
        close = squared_distance < self.edge**2
        if self.what == "energy":
            return jnp.where(close, jnp.nan, smooth)
        # The square root of zero: the value is fine, its derivative is not.
        zero = jnp.where(close, squared_distance - jax.lax.stop_gradient(squared_distance), 1.0)
        return smooth + jnp.sqrt(zero)


def test_overlapping_atoms(small):
    structure = small.argon(2)
    positions = structure.positions.copy()
    positions[1] = positions[0] + [0.05, 0, 0]
    with pytest.raises(SimulationError, match=r"At 0\.000 fs .*(shorter time step|relaxed)"):
        go(small.potential, structure.replace(positions=positions), NVE(2.0))


def test_atoms_at_the_same_place(small):
    structure = small.argon(2)
    positions = structure.positions.copy()
    positions[1] = positions[0]
    with pytest.raises(NeighborListError, match="Atoms 0 and 1 lie 0 Å apart"):
        go(small.potential, structure.replace(positions=positions), NVE(2.0))


@pytest.mark.parametrize("sampler", [NVE(400.0), Langevin(400.0), NoseHoover(400.0)], ids=lambda s: type(s).__name__)
def test_giant_time_step(small, sampler):
    with pytest.raises(SimulationError, match=r"At \d+\.\d{3} fs .*[Uu]se a shorter time step"):
        go(small.potential, small.argon(2), sampler, duration=40000.0, every=400.0)


@pytest.mark.parametrize("what", ["energy", "slope"])
@pytest.mark.parametrize("every", [10.0, 2.0])
def test_potential_that_turns_into_nan_keeps_the_frames_before(small, tmp_path, what, every):
    # Two atoms fly towards each other; with a frame at each step the poison is met at a frame, else between frames.
    structure = small.molecule().replace(
        positions=10.0 * np.stack(np.meshgrid(*[range(2)] * 3), -1).reshape(-1, 3), velocities=np.zeros((8, 3))
    )
    positions, velocities = structure.positions.copy(), np.zeros((8, 3))
    positions[1] = positions[0] + [5.0, 0, 0]
    velocities[1] = [-0.15, 0, 0]
    potential = Treacherous(what=what)
    structure = structure.replace(positions=positions, velocities=velocities)
    path = tmp_path / "run.h5"
    with pytest.raises(SimulationError, match=r"At \d+\.\d{3} fs") as error:
        go(potential, structure, NVE(2.0), out=path, duration=400.0, every=every)
    assert "kept" in str(error.value) or "time step" in str(error.value)
    with h5py.File(path) as file:
        kept = file["particles/replica_0/position/value"][:]
        speeds = file["particles/replica_0/velocity/value"][:]
        times = file["particles/replica_0/position/time"][:]
    # 2 Å at 0.15 Å per 10.18 fs.
    assert 100 < times[-1] < 160
    assert np.isfinite(kept).all()
    assert np.isfinite(speeds).all()
    assert kept[-1, 1, 0] > 2.9


def test_potential_that_is_nan_from_the_start(small):
    with pytest.raises(SimulationError, match=r"At \d+\.000 fs .* nan"):
        go(Treacherous(edge=5.0), small.argon(2), Langevin(1.0))


def test_poisoned_replica_is_found_among_healthy_ones(small):
    # At 3000 K some replica meets the edge soon, not all at once.
    with pytest.raises(SimulationError, match=r"At \d+\.\d{3} fs"):
        go(Treacherous(edge=3.3, what="slope"), small.argon(2), Langevin(2.0), 3000.0, replicas=3, duration=2000.0)


def test_temperature_explosion(small):
    structure = small.argon(2)
    velocities = np.random.default_rng(0).normal(0, 0.5, structure.positions.shape)
    with pytest.raises(SimulationError, match=r"At 10\.000 fs replica 0 has \d+ K where 60 K .*shorter time step"):
        go(small.potential, structure.replace(velocities=velocities), NVE(1.0))


def test_unknown_element(small):
    with pytest.raises(UnknownSpeciesError, match=r"Si.*Ar"):
        go(StillingerWeber.silicon(), small.argon(1), NVE(1.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"every": 3.0}, r"interval between frames \(3\.0 fs\) is not a multiple of the time step \(2\.0 fs\)"),
        ({"every": 1.0}, "not a multiple"),
        ({"every": 0.0}, "must be positive, but is 0.0 fs"),
        ({"duration": 4.0}, "holds no frame"),
        ({"duration": -100.0}, "holds no frame"),
        ({"equilibrate": -4.0}, "must not be negative"),
        ({"replicas": 0}, "at least one replica"),
        ({"temperature": -1.0}, "temperature must not be negative"),
    ],
)
def test_settings_that_make_no_sense(small, settings, message):
    with pytest.raises(SimulationError, match=message):
        go(small.potential, small.argon(1), NVE(2.0), **settings)


@pytest.mark.parametrize(
    "settings",
    [{"duration": "3 eV"}, {"every": "10 Å"}, {"temperature": "3 fs"}, {"pressure": "1 K"}],
)
def test_wrong_dimension(small, settings):
    name = next(iter(settings))
    with pytest.raises(UnitError, match=name):
        go(small.potential, small.argon(1), NVE(2.0), **settings)


def test_skins_that_make_no_sense():
    with pytest.raises(SimulationError, match="skin of the neighbour list must be positive"):
        JaxMD(skin=0.0)
    with pytest.raises(UnitError, match="skin"):
        JaxMD(skin="1 fs")


def test_time_step_and_friction_must_be_positive(small):
    with pytest.raises(SimulationError, match="timestep must be positive"):
        go(small.potential, small.argon(1), NVE(0.0))
    with pytest.raises(SimulationError, match="friction must be positive"):
        go(small.potential, small.argon(1), Langevin(2.0, -1.0))
    with pytest.raises(UnitError, match="timestep"):
        go(small.potential, small.argon(1), NVE("2 K"))


def test_constant_pressure_needs_a_pressure(small):
    with pytest.raises(SimulationError, match=r'pressure="1 bar"'):
        go(small.potential, small.argon(1), NPT(2.0))


def test_constant_pressure_needs_a_cell(small):
    with pytest.raises(SimulationError, match="periodic in all three directions"):
        go(small.potential, small.molecule(), NPT(2.0), pressure=1.0)


def test_unknown_sampler():
    with pytest.raises(SimulationError, match="did you mean 'Langevin'"):
        sampler_of("langevn", 1.0)


def test_potential_without_cutoff_shift_runs(small):
    # A sane run of the same kind as those above: the errors are not raised by everything.
    assert len(go(LennardJones(0.0104, 3.4, 6.0), small.argon(2), Langevin(2.0), replicas=2)) == 10
