"""Elastic constants from stress fluctuations: limits that are known exactly, and a Lennard-Jones crystal."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit.errors import ObservableError
from mdfit.graph import build_graph
from mdfit.observables import ElasticConstants, Pressure, estimate, per_frame
from mdfit.observables.derivatives import stiffness_of_frames
from mdfit.potentials import LennardJones, StillingerWeber, born_stiffness, evaluate
from mdfit.properties import elastic_constants, relax_cell
from mdfit.simulate import JaxMD, Langevin, StatePoint, run
from mdfit.structure import Conditions, Structure
from mdfit.units import BAR, BOLTZMANN, FEMTOSECOND, GIGAPASCAL

SILICON = StillingerWeber.silicon()


def test_ideal_gas(known):
    # F = −N k_B T ln det(1 + 2η)/2 has C11 = 2 N k_B T/V, C12 = 0 and C44 = N k_B T/V.
    gas = known.ideal_gas(atoms=10, frames=12, temperature=1e5)
    unit = 10 * BOLTZMANN * 1e5 / 20.0**3 / GIGAPASCAL
    nothing = LennardJones(1e-30, 1.0, 2.0)
    np.testing.assert_allclose(estimate(ElasticConstants(), gas, potential=nothing).value / unit, [2, 0, 1], atol=1e-9)
    every = estimate(ElasticConstants("none"), gas, potential=nothing)
    assert dict(zip(every.labels, np.round(every.value / unit, 9), strict=True))["C45"] == 0
    assert len(every.labels) == 21


def harmonic_crystal(known, temperature):
    """Frames of a relaxed silicon crystal whose second moments are exactly those of its harmonic vibrations.

    Each frame is a displacement along one normal mode, in either direction, by √modes standard deviations.
    """
    structure = relax_cell(SILICON, Structure.from_ase(bulk("Si", cubic=True, a=5.43)), largest_force=1e-7)
    graph = build_graph(structure, SILICON.cutoff, dtype=jnp.float64)

    def at(positions):
        moved = positions - structure.positions
        return graph.with_vectors(
            graph.vectors + jnp.where(graph.mask[..., None], moved[graph.neighbours], 0) - moved[:, None]
        )

    hessian = jax.jit(jax.hessian(lambda x: evaluate(SILICON, at(x)).energy[0]))(jnp.asarray(structure.positions))
    stiffness, modes = np.linalg.eigh(np.asarray(hessian).reshape(24, 24))
    stiffness, modes = stiffness[3:], modes[:, 3:]
    steps = (modes * np.sqrt(len(stiffness) * BOLTZMANN * temperature / stiffness)).T.reshape(-1, 8, 3)
    positions = structure.positions + np.concatenate([steps, -steps])
    predictions = jax.jit(jax.vmap(lambda x: evaluate(SILICON, at(x))))(positions)
    return structure, known.trajectory(
        positions[None],
        structure.cell,
        temperature=temperature,
        stresses=np.asarray(predictions.strain_derivative)[None, :, 0] / structure.volume,
        potential_energies=np.asarray(predictions.energy)[None, :, 0],
    )


def test_zero_temperature_limit_is_that_of_strained_cells(known):
    # The Born term is that of clamped ions; the fluctuations account for the ions' response to strain.
    structure, frames = harmonic_crystal(known, temperature=1e-2)
    clamped, relaxed = (elastic_constants(SILICON, structure, relax_ions=choice) for choice in (False, True))
    assert clamped.c44 - relaxed.c44 > 50
    found = estimate(ElasticConstants(), frames, potential=SILICON)
    assert found.labels == ("C11", "C12", "C44")
    np.testing.assert_allclose(found.value, [relaxed.c11, relaxed.c12, relaxed.c44], atol=0.02)
    still = dataclasses.replace(frames, stresses=0 * frames.stresses)
    unmoved = estimate(ElasticConstants(), still, potential=SILICON).value
    np.testing.assert_allclose(unmoved, [clamped.c11, clamped.c12, clamped.c44], atol=0.02)


def test_published_combination_leaves_out_the_stress(known):
    _, frames = harmonic_crystal(known, temperature=1e-2)
    pressed = dataclasses.replace(frames, stresses=frames.stresses + 3 * GIGAPASCAL * np.eye(3))
    consistent, published = (
        estimate(ElasticConstants(definition=definition), pressed, potential=SILICON).value
        for definition in ("consistent", "published")
    )
    stress = np.einsum("rfii->", pressed.stresses) / 3 / frames.stresses.shape[1] / GIGAPASCAL
    np.testing.assert_allclose(published - consistent, [stress, 0, stress / 2], atol=1e-9)


def test_stiffness_of_every_frame_in_its_place(known):
    random = np.random.default_rng(0)
    atoms = bulk("Si", cubic=True).repeat(4)
    positions = atoms.positions + 0.1 * random.standard_normal((2, 3, 512, 3))
    species = np.full(512, 14, np.int32)
    frames = known.trajectory(positions, atoms.cell.array, species=species)
    found = stiffness_of_frames(SILICON, frames)
    assert found.shape == (2, 3, 3, 3, 3, 3)
    graph = build_graph(frames.structure(2, 1), SILICON.cutoff, dtype=jnp.float64)
    expected = np.asarray(eqx.filter_jit(born_stiffness)(SILICON, graph))[0] / frames.structure(2, 1).volume
    np.testing.assert_allclose(found[1, 2], expected, rtol=1e-9, atol=1e-12)


def test_what_is_missing_or_wrong(known):
    frames = known.trajectory(np.random.default_rng(1).random((1, 12, 4, 3)) * 20)
    with pytest.raises(ObservableError, match=r"ElasticConstants needs the second derivative.*potential=potential"):
        per_frame(ElasticConstants(), frames)
    with pytest.raises(ObservableError, match=r"NVT.*NPT"):
        per_frame(ElasticConstants(), dataclasses.replace(frames, conditions=Conditions("NPT", 300.0)), SILICON)
    with pytest.raises(ObservableError, match="not periodic"):
        per_frame(ElasticConstants(), dataclasses.replace(frames, periodic=np.zeros(3, bool)), SILICON)
    with pytest.raises(ObservableError, match="'cubic' or 'none', not 'hexagonal'"):
        ElasticConstants("hexagonal")
    with pytest.raises(ObservableError, match="'consistent' or 'published'"):
        ElasticConstants(definition="other")


LENNARD_JONES = LennardJones(1.0, 1.0, 2.3, switch_start=0.85 * 2.3)


def crystal_in_reduced_units(lattice, replicas):
    """108 Lennard-Jones atoms at k_B T = 0.2 ε, a state every 50 steps of 0.004; ε, σ and m are 1."""
    step = 0.004 / FEMTOSECOND
    structure = Structure.from_ase(bulk("Ar", "fcc", a=lattice, cubic=True).repeat(3)).replace(masses=np.ones(108))
    return run(
        LENNARD_JONES,
        StatePoint(structure, 0.2 / BOLTZMANN),
        Langevin(step, friction=1000 * FEMTOSECOND),
        duration=1000 * 50 * step,
        every=50 * step,
        equilibrate=2000 * step,
        replicas=replicas,
        engine=JaxMD(skin=0.3),
        key=jax.random.key(7),
    )


@pytest.mark.slow
def test_lennard_jones_crystal():
    """Against a separate implementation: mean and standard deviation of six runs with the published combination."""
    replicas = 4
    large, small = (crystal_in_reduced_units(lattice, replicas) for lattice in (1.58, 1.567))

    def constants(frames, definition):
        return estimate(ElasticConstants(definition=definition), frames, potential=LENNARD_JONES).value * GIGAPASCAL

    published = constants(large, "published")
    expected, deviation = np.array([64.5, 35.7, 37.23]), np.array([0.5, 0.5, 0.13])
    assert (np.abs(published - expected) < 4 * deviation / np.sqrt(replicas) + 0.005 * expected).all()

    pressures = [float(estimate(Pressure(), frames)) * BAR for frames in (large, small)]
    assert pressures[0] == pytest.approx(-1.109, abs=4 * 0.002 / np.sqrt(replicas) + 0.005 * 1.109)
    volumes = [float(frames.volumes[0, 0]) for frames in (large, small)]
    from_pressures = -np.mean(volumes) * (pressures[0] - pressures[1]) / (volumes[0] - volumes[1])
    # With the second derivatives with respect to the Lagrangian strain, B = (C11 + 2 C12 + p) / 3.
    consistent = [constants(frames, "consistent") for frames in (large, small)]
    moduli = [(c11 + 2 * c12 + p) / 3 for (c11, c12, _), p in zip(consistent, pressures, strict=True)]
    assert np.mean(moduli) == pytest.approx(from_pressures, rel=0.02)
