"""Tetrahedral order of crystals and of the ideal gas."""

import dataclasses

import numpy as np
import pytest
from ase.build import bulk

from mdfit.errors import ObservableError
from mdfit.observables import TetrahedralOrder, estimate, per_frame


def test_crystals(known):
    assert float(estimate(TetrahedralOrder(), known.crystal(bulk("Si", cubic=True)))) == pytest.approx(1)
    # In zinc blende each species alone is a face-centred lattice, whose four nearest are not unique; both together are.
    blende = known.crystal(bulk("ZnS", "zincblende", a=5.4, cubic=True))
    assert float(estimate(TetrahedralOrder(), blende)) == pytest.approx(1)


def test_chosen_species_among_others(known):
    run = known.crystal(bulk("Si", cubic=True))
    species = np.append(run.species, [8] * 50).astype(np.int32)
    extra = np.random.default_rng(0).random((1, len(run), 50, 3)) * 16
    mixed = dataclasses.replace(
        run,
        positions=np.concatenate([run.positions, extra], axis=2),
        velocities=np.zeros((1, len(run), len(species), 3)),
        species=species,
        masses=np.ones(len(species)),
    )
    assert float(estimate(TetrahedralOrder("Si"), mixed)) == pytest.approx(1)
    assert float(estimate(TetrahedralOrder(), mixed)) < 0.9
    with pytest.raises(ObservableError, match="asks for H, but the trajectory holds only O, Si"):
        per_frame(TetrahedralOrder("H"), mixed)


def test_square_of_neighbours(known):
    # Four neighbours in a plane: cos ψ is 0 four times and −1 twice, so that q = 1 − 3/8 (4/9 + 8/9) = 1/2.
    square = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], float)
    others = square[1:] + 5 * square[1:]
    run = known.trajectory(np.concatenate([square, others])[None, None], periodic=np.zeros(3, bool))
    only = dataclasses.replace(run, species=np.array([14] * 5 + [8] * 4, np.int32))
    values = per_frame(TetrahedralOrder("Si"), only)
    # The outer four see the centre, the opposite atom behind it, and two at 45 degrees: cosines 1, 1/√2 (4 times) and 0.
    outer = 1 - 3 / 8 * ((4 / 3) ** 2 + 4 * (0.5**0.5 + 1 / 3) ** 2 + 1 / 9)
    assert float(values[0, 0]) == pytest.approx((0.5 + 4 * outer) / 5)


def test_ideal_gas_has_none(known):
    gas = known.ideal_gas(atoms=200, frames=20, cell=np.eye(3) * 20.0)
    found = estimate(TetrahedralOrder(), gas)
    assert abs(float(found)) < 4 * found.standard_error + 0.005


def test_cells_that_are_too_small(known):
    run = known.trajectory(np.random.default_rng(2).random((1, 12, 5, 3)) * 20)
    with pytest.raises(ObservableError, match="fourth neighbour beyond half the smallest height"):
        per_frame(TetrahedralOrder(), run)
    with pytest.raises(ObservableError, match="at least five atoms, but there are 4"):
        per_frame(TetrahedralOrder(), known.trajectory(np.zeros((1, 12, 4, 3))))
