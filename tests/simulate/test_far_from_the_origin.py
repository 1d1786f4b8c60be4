"""Atoms many cells from the origin: the same energies, the same dynamics, and positions that go on where they were."""

import jax
import numpy as np
import pytest

from mdfit.engines import Calculator
from mdfit.errors import NeighborListError
from mdfit.graph import neighbor_table
from mdfit.graph.host import check_size
from mdfit.potentials import StillingerWeber
from mdfit.simulate import NPT, NVE, JaxMD, StatePoint, run
from mdfit.simulate.jax_md.simulation import distant_images

KEY = jax.random.key(2)


def scattered(structure, cells):
    """The same crystal, atoms moved apart by whole cells."""
    whole = cells * (np.arange(structure.number_of_atoms) % 3 - 1)[:, None] * np.array([1, -1, 0])
    return structure.replace(positions=structure.positions + whole @ structure.cell), whole


@pytest.mark.parametrize("cells", [100, 16_383, 16_384, 16_500, 40_000, 1_000_000])
def test_energies_do_not_depend_on_whole_cells(small, cells):
    random = np.random.default_rng(1)
    near = small.silicon()
    near = near.replace(positions=near.positions + 0.05 * random.standard_normal(near.positions.shape))
    far, _ = scattered(near, cells)
    energies = []
    for structure in (near, far):
        atoms = structure.to_ase()
        atoms.calc = Calculator(StillingerWeber.silicon(), dtype="float64")
        energies.append(atoms.get_potential_energy())
    # Rounding of the positions: 1e-9 Å at 5 million Å.
    assert energies[1] == pytest.approx(energies[0], abs=1e-7)


def test_beyond_what_numbers_hold_is_refused(small):
    near = small.silicon()
    positions = near.positions.copy()
    positions[3, 0] += 2e8
    with pytest.raises(NeighborListError, match=r"Atom 3 lies 2e\+08 Å from the origin"):
        neighbor_table(positions, near.cell, near.periodic, 3.0)
    with pytest.raises(NeighborListError, match="more pairs than a list can hold"):
        check_size(2**26, 32)


def test_only_atoms_far_outside_are_moved(small):
    near = small.silicon()
    far, whole = scattered(near, 1000)
    found = distant_images(far.positions[None], near.cell[None], np.array([True, True, False]))
    moved = np.abs(whole).any(axis=1)
    # Atoms on a face of the cell are on either side of it.
    assert np.abs(found[0, moved][:, :2] - whole[moved][:, :2]).max() <= 1
    assert not found[0, ~moved].any()
    assert not found[..., 2].any()
    assert not distant_images(scattered(near, 3)[0].positions[None], near.cell[None], near.periodic).any()


@pytest.mark.parametrize("lists", ["host", "device"])
def test_single_precision_is_as_good_far_away(small, lists):
    # 54 atoms, or cells too narrow for lists on the device.
    near = small.argon(4)
    far, whole = scattered(near, 1000)
    settings = {"duration": 800.0, "every": 40.0, "key": KEY, "engine": JaxMD(neighbour_lists=lists)}
    here, there = (run(small.potential, StatePoint(structure, 40.0), NVE(4.0), **settings) for structure in (near, far))
    total = [t.potential_energies + t.kinetic_energies for t in (here, there)]
    np.testing.assert_allclose(total[0], total[1], rtol=0, atol=2e-5 * near.number_of_atoms)
    assert np.ptp(total[1]) < 2 * np.ptp(total[0]) + 1e-4
    np.testing.assert_allclose(there.positions - whole @ near.cell, here.positions, atol=1e-3)


def test_positions_follow_a_cell_that_changes(small):
    near = small.argon(3)
    far, whole = scattered(near, 50)
    here, there = (
        run(
            small.potential,
            StatePoint(structure, 40.0, 500.0),
            NPT(4.0, barostat_relaxation="0.4 ps"),
            duration=800.0,
            every=40.0,
            key=KEY,
            engine=JaxMD(dtype="float64"),
        )
        for structure in (near, far)
    )
    assert np.ptp(there.volumes) > 1
    np.testing.assert_allclose(here.volumes, there.volumes, rtol=1e-6)
    np.testing.assert_allclose(there.positions, here.positions + whole @ there.cells, atol=1e-4)


def test_a_resumed_run_goes_on_exactly(small, tmp_path):
    far, _ = scattered(small.argon(), 1000)
    settings = {"every": 20.0, "key": KEY}
    whole = run(small.potential, StatePoint(far, 40.0), NVE(4.0), duration=400.0, **settings)
    run(small.potential, StatePoint(far, 40.0), NVE(4.0), duration=200.0, out=tmp_path / "run.h5", **settings)
    resumed = run(
        small.potential,
        StatePoint(far, 40.0),
        NVE(4.0),
        duration=400.0,
        out=tmp_path / "run.h5",
        resume=True,
        **settings,
    )
    np.testing.assert_array_equal(resumed.positions, whole.positions)
    np.testing.assert_array_equal(resumed.velocities, whole.velocities)
