"""Mapped forces have the exact mean force of solvable systems, whichever valid map is used; invalid maps are refused."""

import numpy as np
import pytest

from mdfit.data import Frames, Mapping
from mdfit.data.force_mapping import least_noisy_forces
from mdfit.errors import DataError
from mdfit.structure import Structure

TEMPERATURE_ENERGY = 0.025  # k_B T in eV
NO_CELL = {"cells": np.zeros((3, 3)), "periodic": np.zeros(3, bool)}


def atoms(count, masses=None):
    return Structure(
        np.full(count, 6),
        np.zeros((count, 3)),
        np.zeros((3, 3)),
        np.zeros(3, bool),
        masses or np.arange(1.0, count + 1),
    )


def harmonic_chain(frames, seed):
    """Six atoms of a chain of springs, each held to the origin: sampled exactly, with its forces and its covariance."""
    stiffness = 0.5 * np.eye(6) + 3.0 * np.diag([1, 2, 2, 2, 2, 1])
    stiffness -= 3.0 * (np.eye(6, k=1) + np.eye(6, k=-1))
    covariance = TEMPERATURE_ENERGY * np.linalg.inv(stiffness)
    normal = np.random.default_rng(seed).standard_normal((frames, 6, 3))
    positions = np.einsum("ij,fjd->fid", np.linalg.cholesky(covariance), normal)
    kept = atoms(6)
    forces = -np.einsum("ij,fjd->fid", stiffness, positions)
    return Frames(kept.species, kept.masses, positions, forces=forces, **NO_CELL), covariance


def z_scores(beads, mean_forces):
    """Deviation of the mean products of positions and (force − mean force), over its standard error."""
    products = np.einsum("fid,fjd->fij", beads.positions, beads.forces - mean_forces)
    return products.mean(axis=0) / (products.std(axis=0) / np.sqrt(len(products)))


MATRICES = {
    "atoms": np.eye(6)[[0, 2, 5]],
    "centres": np.array([[0.25, 0.75, 0, 0, 0, 0], [0, 0, 0.3, 0.3, 0.4, 0]]),
    "shared": np.array([[0.5, 0.5, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0, 0]]),
    "negative": np.array([[1.5, -0.5, 0, 0, 0, 0], [0, 0, 0, 0.5, 0.25, 0.25]]),
}


@pytest.mark.parametrize("name", MATRICES)
def test_mean_forces_of_a_harmonic_chain_are_exact(name):
    frames, covariance = harmonic_chain(40_000, 1)
    matrix = MATRICES[name]
    mapping = Mapping.of_matrix(matrix, atoms(6), np.full(len(matrix), 6))
    best = mapping.aggregated(frames)
    maps = [best.mapping] if name == "shared" else [mapping, best.mapping]
    for one in maps:
        beads = one.frames(frames)
        exact = -TEMPERATURE_ENERGY * np.einsum(
            "ij,fjd->fid", np.linalg.inv(matrix @ covariance @ matrix.T), beads.positions
        )
        assert np.abs(z_scores(beads, exact)).max() < 4
    if name == "shared":
        assert best.before is None
    else:
        assert best.after < 0.9 * best.before
        # On other frames as well.
        others, _ = harmonic_chain(5000, 2)
        before, after = (one.apply(others).force_rms() ** 2 for one in maps)
        assert after < 0.9 * before


def test_the_least_noise_is_that_of_the_exact_covariance():
    frames, covariance = harmonic_chain(40_000, 1)
    # Gaussian forces have the covariance kT K, for which the conditions C Dᵀ = 1 give D in closed form.
    matrix, stiffness = MATRICES["centres"], TEMPERATURE_ENERGY * np.linalg.inv(covariance)
    exact = np.linalg.solve(matrix @ np.linalg.inv(stiffness) @ matrix.T, matrix @ np.linalg.inv(stiffness))
    found = least_noisy_forces(matrix, np.zeros((0, 2), int), frames.forces)
    np.testing.assert_allclose(found, exact, atol=0.03)


def rigid_pair(frames, seed):
    """Two atoms at a fixed distance, each in its harmonic well: sampled exactly, with the mean force on the first atom."""
    first_k, second_k, length, centre = 0.4, 0.3, 1.0, np.array([1.2, 0.0, 0.0])
    random = np.random.default_rng(seed)
    # The first atom from a Gaussian, the bond from its exact distribution (von Mises-Fisher); weights correct the rest.
    width = np.sqrt(TEMPERATURE_ENERGY / first_k)
    first = random.standard_normal((frames, 3)) * width
    away = first - centre
    distance = np.linalg.norm(away, axis=1)
    strength = second_k * length * distance / TEMPERATURE_ENERGY
    cosine = -(1 + np.log1p(random.random(frames) * np.expm1(-2 * strength)) / strength)
    normal = np.cross(away, random.standard_normal((frames, 3)))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    bond = cosine[:, None] * away / distance[:, None] + np.sqrt(1 - cosine**2)[:, None] * normal
    second = first + length * bond
    forces = np.stack([-first_k * first, -second_k * (second - centre)], axis=1)
    log_weight = -second_k * distance**2 / (2 * TEMPERATURE_ENERGY) + np.log(np.sinh(strength) / strength)
    weight = np.exp(log_weight - log_weight.max())
    langevin = 1 / np.tanh(strength) - 1 / strength
    along = -second_k * distance + second_k * length * langevin
    exact = -first_k * first + along[:, None] * away / distance[:, None]
    kept = atoms(2)
    structure = Frames(
        kept.species, kept.masses, np.stack([first, second], axis=1), forces=forces, constraints=[[0, 1]], **NO_CELL
    )
    return structure, exact, weight


def test_forces_across_a_rigid_bond_are_added_and_then_exact():
    frames, exact, weight = rigid_pair(200_000, 3)
    np.testing.assert_allclose(np.linalg.norm(frames.positions[:, 1] - frames.positions[:, 0], axis=1), 1.0)

    def scores(beads):
        # Against a direction and against the position: both must vanish.
        deviation = beads.forces[:, 0] - exact
        terms = weight[:, None] * np.concatenate([deviation, deviation * frames.positions[:, 0]], axis=1)
        return np.abs(terms.mean(axis=0) / (terms.std(axis=0) / np.sqrt(len(terms)))).max()

    mapping = Mapping.of_atoms([0], atoms(2))
    np.testing.assert_array_equal(mapping.force_map(frames.constraints), [[1, 1]])
    assert scores(mapping.frames(frames)) < 4
    # The force on the atom itself would be wrong by far.
    bare = Frames(frames.species, frames.masses, frames.positions, forces=frames.forces, **NO_CELL)
    assert scores(mapping.frames(bare)) > 50


def test_aggregation_keeps_atoms_of_rigid_bonds_together():
    frames, _ = harmonic_chain(1000, 4)
    rigid = Frames(
        frames.species, frames.masses, frames.positions, forces=frames.forces, constraints=[[1, 2], [4, 3]], **NO_CELL
    )
    found = Mapping.of_atoms([0, 3], atoms(6)).aggregated(rigid).mapping
    np.testing.assert_allclose(found.forces[:, 1], found.forces[:, 2])
    np.testing.assert_allclose(found.forces[:, 3], found.forces[:, 4])
    np.testing.assert_allclose(found.positions @ found.forces.T, np.eye(2), atol=1e-12)


def test_masses_species_and_positions_of_centres_of_mass():
    masses = [15.999, 1.008, 1.008, 15.999, 1.008, 1.008]
    water = Structure([8, 1, 1] * 2, np.zeros((6, 3)), np.eye(3) * 10, np.ones(3, bool), masses)
    mapping = Mapping.centres_of_mass([[0, 1, 2], [3, 4, 5]], water, names=("W", "W"))
    np.testing.assert_allclose(mapping.masses, 18.015)
    np.testing.assert_array_equal(mapping.species, 8)
    whole = np.array([[9.9, 1, 1], [10.5, 1, 1], [9.7, 1.5, 1], [4, 9.8, 5], [4, 10.2, 5], [4.5, 9.9, 5]])
    np.random.default_rng(0).shuffle(whole[1:3])
    cells = np.broadcast_to(np.eye(3) * 10, (2, 3, 3))
    positions = np.stack([whole, whole % 10])
    beads = mapping.apply(Frames(water.species, masses, positions, cells, np.ones(3, bool)))
    expected = np.stack([np.average(whole[group], axis=0, weights=masses[:3]) for group in ([0, 1, 2], [3, 4, 5])])
    for frame in beads:
        difference = frame.structure.positions - expected
        np.testing.assert_allclose(difference - 10 * np.round(difference / 10), 0, atol=1e-12)
        assert frame.forces is None


def test_molecules_across_the_boundary_of_a_triclinic_cell():
    cell = np.array([[8.0, 0, 0], [3.0, 7.0, 0], [-2.0, 1.0, 9.0]])
    kept = Structure([6, 6], np.zeros((2, 3)), cell, np.ones(3, bool), [12.0, 12.0])
    whole = np.array([[0.1, 0.2, 0.3], [-0.9, 0.1, -0.4]])
    shifted = whole + np.array([[0, 0, 0], [1, -1, 2]]) @ cell
    beads = Mapping.centres_of_mass([[0, 1]], kept).frames(
        Frames([6, 6], [12, 12], shifted[None], cell, np.ones(3, bool))
    )
    np.testing.assert_allclose(beads.positions[0, 0], whole.mean(axis=0))


@pytest.mark.parametrize(
    ("groups", "options", "words"),
    [
        ([[0, 1], [1, 2]], {"cover": False}, r"Atom 1 is named 2 times, in the beads \[0, 1\]"),
        ([[0, 1], [2, 3]], {}, r"2 atoms \(first: 4\) belong to no bead"),
        ([[0, 1], []], {}, "Bead 1 has no atoms"),
        ([[0, 6]], {}, "Bead 0 names the atom 6, but there are 6 atoms"),
        ([[-1]], {}, "Bead 0 names the atom -1"),
        ([[0, 1, 2, 3, 4, 5]], {"names": ("A", "B")}, "2 names are given for 1 beads"),
        ([[0, 1, 2, 3, 4, 5]], {"species": (1, 2)}, "2 species are given for 1 beads"),
    ],
)
def test_wrong_groups_are_refused(groups, options, words):
    with pytest.raises(DataError, match=words):
        Mapping.centres_of_mass(groups, atoms(6), **options)


def test_wrong_matrices_are_refused():
    with pytest.raises(DataError, match=r"bead 0 sum to 0\.9"):
        Mapping.of_matrix([[0.5, 0.4, 0]], atoms(3), [6])
    with pytest.raises(DataError, match="there are 3 atoms"):
        Mapping.of_matrix([[0.5, 0.5]], atoms(3), [6])
    with pytest.raises(DataError, match=r"row 0 of the positions times row 0 of the forces is 0.5, but must be 1"):
        Mapping([[0.5, 0.5]], [6], [1.0], forces=[[1.0, 0.0]])


def test_frames_that_do_not_fit_are_refused():
    frames, _ = harmonic_chain(20, 5)
    mapping = Mapping.of_atoms([0, 1], atoms(6))
    with pytest.raises(DataError, match=r"for 5 atoms, the frames .* hold 6"):
        Mapping.of_atoms([0], atoms(5)).apply(frames)
    silent = Frames(frames.species, frames.masses, frames.positions, **NO_CELL)
    assert mapping.apply(silent)[0].forces is None
    with pytest.raises(DataError, match="hold no forces"):
        mapping.apply(silent, forces=True)
    with pytest.raises(DataError, match="hold no forces"):
        mapping.aggregated(silent)
    with pytest.raises(DataError, match="1 frames are too few"):
        mapping.aggregated(frames.select([0]))


def test_forces_that_cannot_be_mapped_are_refused():
    frames, _ = harmonic_chain(50, 6)
    bound = Frames(
        frames.species, frames.masses, frames.positions, forces=frames.forces, constraints=[[0, 1]], **NO_CELL
    )
    both = Mapping.of_atoms([0, 1], atoms(6))
    with pytest.raises(DataError, match=r"Rigid bonds join the atoms \[0, 1\] of the beads \[0, 1\]"):
        both.apply(bound)
    with pytest.raises(DataError, match="No combination"):
        both.aggregated(bound)
    assert both.apply(bound, forces=False)[0].forces is None
    with pytest.raises(DataError, match=r"Atom 1 belongs to the beads \[0, 1\]"):
        Mapping.of_matrix(MATRICES["shared"], atoms(6), [6, 6]).apply(frames)
    bare = Mapping(np.eye(6)[:1], [6], [1.0], forces=np.eye(6)[:1])
    with pytest.raises(DataError, match=r"\[0, 1\] are joined by a rigid bond, but have different coefficients"):
        bare.apply(bound)
