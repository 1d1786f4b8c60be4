"""Distances, angles, dihedral angles and coordinates of atoms."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase import Atoms

from mdfit.errors import ObservableError
from mdfit.observables import Angle, Coordinate, Dihedral, Distance, Distribution, Snapshot, per_frame

CHAIN = np.random.default_rng(0).uniform(0, 3, (6, 3))
TRICLINIC = np.array([[12.0, 0, 0], [2.0, 11.0, 0], [-1.0, 3.0, 10.0]])


def snapshot(known, positions, cell=None):
    return Snapshot.of(known.trajectory(np.asarray(positions)[None, None], cell))


def test_against_ase_across_periodic_boundaries(known):
    random = np.random.default_rng(1)
    shifted = CHAIN + random.integers(-2, 3, CHAIN.shape) @ TRICLINIC
    atoms = Atoms("C6", shifted, cell=TRICLINIC, pbc=True)
    seen = snapshot(known, shifted, TRICLINIC)
    assert float(Distance(0, 4).values(seen)[0]) == pytest.approx(atoms.get_distance(0, 4, mic=True))
    assert float(Angle(0, 4, 2).values(seen)[0]) == pytest.approx(np.radians(atoms.get_angle(0, 4, 2, mic=True)))
    for four in ((0, 1, 2, 3), (5, 2, 0, 4), (1, 3, 5, 0)):
        found = float(Dihedral(*four).values(seen)[0])
        assert np.cos(found - np.radians(atoms.get_dihedral(*four, mic=True))) == pytest.approx(1)


def test_sign_and_zero_of_dihedral_angles(known):
    # Looking along +z from j to k, clockwise is from +x to +y, since x points up when y points to the right.
    def turned(angle):
        return snapshot(known, [[1, 0, 0], [0, 0, 0], [0, 0, 1], [np.cos(angle), np.sin(angle), 1]])

    for angle in (0.0, 0.5, -2.0, 3.0):
        assert float(Dihedral(0, 1, 2, 3).values(turned(angle))[0]) == pytest.approx(angle)
    assert abs(float(Dihedral(0, 1, 2, 3).values(turned(np.pi))[0])) == pytest.approx(np.pi)


def test_one_value_per_molecule(known):
    molecules = np.concatenate([CHAIN, 2 * CHAIN + 1])
    seen = snapshot(known, molecules, np.eye(3) * 100)
    both = Distance(0, 3).for_molecules(2, 6)
    assert both == Distance((0, 6), (3, 9))
    length = np.linalg.norm(CHAIN[3] - CHAIN[0])
    np.testing.assert_allclose(both.values(seen), [length, 2 * length])
    np.testing.assert_allclose(
        Dihedral(0, 1, 2, 3).for_molecules(2, 6).values(seen), Dihedral((0, 6), (1, 7), (2, 8), (3, 9)).values(seen)
    )
    np.testing.assert_array_equal(Coordinate(1).values(seen), molecules[:, 1])
    np.testing.assert_array_equal(Coordinate(2, (3, 1)).values(seen), molecules[[3, 1], 2])


def test_atoms_on_a_line_have_a_value_and_a_gradient(known):
    seen = snapshot(known, [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 2]])

    def value(positions, variable):
        return variable.values(dataclasses.replace(seen, positions=positions))[0]

    assert float(value(seen.positions, Dihedral(0, 1, 2, 3))) == 0
    assert float(value(seen.positions, Angle(0, 1, 2))) == pytest.approx(np.pi)
    for variable in (Dihedral(0, 1, 2, 3), Angle(0, 1, 2)):
        assert np.isfinite(jax.grad(value)(seen.positions, variable)).all()


@pytest.mark.parametrize("variable", [Distance(0, 3), Angle(0, 3, 1), Dihedral(0, 1, 2, 3), Coordinate(0, 2)], ids=str)
def test_gradients(known, variable):
    seen = snapshot(known, CHAIN, TRICLINIC)

    def value(positions):
        return variable.values(dataclasses.replace(seen, positions=positions))[0]

    direction = np.random.default_rng(2).standard_normal(CHAIN.shape)
    expected = (value(CHAIN + 1e-5 * direction) - value(CHAIN - 1e-5 * direction)) / 2e-5
    assert float(jnp.sum(jax.grad(value)(jnp.asarray(CHAIN)) * direction)) == pytest.approx(float(expected), rel=1e-6)


def test_mistakes(known):
    with pytest.raises(ObservableError, match="needs different atoms, but is given 1, 2, 1"):
        Angle(1, 2, 1)
    with pytest.raises(ObservableError, match="as many atoms for each of i, j"):
        Distance((0, 1), 2)
    for atoms in (-1, 1.5, (), "C", ((0, 1), (2, 3))):
        with pytest.raises(ObservableError, match="index of an atom"):
            Distance(atoms, 3)
    with pytest.raises(ObservableError, match="axis of a coordinate is 0, 1 or 2, not 3"):
        Coordinate(3)
    run = known.trajectory(np.zeros((1, 1, 4, 3)))
    with pytest.raises(
        ObservableError, match="Dihedral 0-1-2-4 asks for atom 4, but the trajectory has the atoms 0 to 3"
    ):
        per_frame(Distribution(Dihedral(0, 1, 2, 4)), run)
    with pytest.raises(ObservableError, match="x asks for atom 7, but the last atom is 3"):
        per_frame(Distribution(Coordinate(0, 7), 0, 1), run)
    with pytest.raises(
        ObservableError, match="Distance 0-1 reaches 11 Å, but nearest images are complete only up to 10 Å"
    ):
        per_frame(Distribution(Distance(0, 1), 0, 11), run)
