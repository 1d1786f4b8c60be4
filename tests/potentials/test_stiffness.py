"""The second derivative of the energy with respect to strain against finite differences and strained cells."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit.graph import build_graph
from mdfit.potentials import (
    DimeNetPP,
    LennardJones,
    PaiNN,
    StillingerWeber,
    born_stiffness,
    evaluate,
    lagrangian_stiffness,
)
from mdfit.precision import cast
from mdfit.properties import elastic_constants, relax_cell
from mdfit.structure import Structure
from mdfit.units import GIGAPASCAL

COMPILED = eqx.filter_jit(born_stiffness)


def crystal(seed, a=5.6):
    atoms = bulk("Si", cubic=True, a=a)
    atoms.rattle(0.15, seed=seed)
    return Structure.from_ase(atoms)


def potentials():
    painn = PaiNN((14,), cutoff=4.0, channels=8, layers=2, key=jax.random.key(0))
    dimenet = DimeNetPP((14,), cutoff=3.0, blocks=1, key=jax.random.key(1))
    return {
        "sum": StillingerWeber.silicon() + LennardJones(0.1, 2.2, 4.0),
        "PaiNN": cast(painn, jnp.float64),
        "DimeNet++": cast(dimenet, jnp.float64),
    }


@pytest.mark.parametrize("name", ["sum", "PaiNN", "DimeNet++"])
def test_nine_strains_by_finite_differences(name):
    potential = potentials()[name]
    graph = build_graph([crystal(1), crystal(2)], potential.cutoff, dtype=jnp.float64)
    found = np.asarray(COMPILED(potential, graph))

    @jax.jit
    def first(strain):
        """∂E/∂ε_ij at a finite strain: not symmetric there."""

        def energy(deformation):
            vectors = graph.vectors + graph.vectors @ deformation.T
            local = potential.atomic_energies(graph.with_vectors(vectors)).astype(jnp.float64)
            return graph.sum_structures(local)

        return jax.jacrev(energy)(strain)

    step = 1e-5
    for k in range(3):
        for m in range(3):
            strain = np.zeros((3, 3))
            strain[k, m] = step
            expected = (np.asarray(first(strain)) - np.asarray(first(-strain))) / (2 * step)
            np.testing.assert_allclose(found[..., k, m], expected, rtol=1e-6, atol=2e-7 * np.abs(found).max())


def test_lagrangian_stiffness_has_the_symmetries_of_elastic_constants():
    potential = StillingerWeber.silicon()
    graph = build_graph(crystal(3), potential.cutoff, dtype=jnp.float64)
    stiffness, stress = COMPILED(potential, graph), eqx.filter_jit(evaluate)(potential, graph).strain_derivative
    assert float(jnp.abs(stress).max()) > 1
    tensor = np.asarray(lagrangian_stiffness(stiffness, stress))[0]
    for axes in [(1, 0, 2, 3), (0, 1, 3, 2), (2, 3, 0, 1)]:
        np.testing.assert_allclose(tensor, tensor.transpose(axes), atol=1e-9)


def test_constants_of_clamped_ions():
    potential = StillingerWeber.silicon()
    structure = relax_cell(potential, Structure.from_ase(bulk("Si", cubic=True, a=5.43)), largest_force=1e-6)
    graph = build_graph(structure, potential.cutoff, dtype=jnp.float64)
    tensor = np.asarray(COMPILED(potential, graph))[0] / (structure.volume * GIGAPASCAL)
    expected = elastic_constants(potential, structure, relax_ions=False)
    assert tensor[0, 0, 0, 0] == pytest.approx(expected.c11, abs=0.01)
    assert tensor[0, 0, 1, 1] == pytest.approx(expected.c12, abs=0.01)
    assert tensor[0, 1, 0, 1] == pytest.approx(expected.c44, abs=0.01)


def test_derivative_with_respect_to_parameters():
    graph = build_graph(crystal(4), 5.0, dtype=jnp.float64)

    @jax.jit
    def component(sigma):
        potential = eqx.tree_at(lambda p: p.sigma, LennardJones(0.1, 2.2, 5.0), sigma)
        return born_stiffness(potential, graph)[0, 0, 1, 1, 0]

    step = 1e-5
    expected = (component(2.2 + step) - component(2.2 - step)) / (2 * step)
    assert float(jax.grad(component)(2.2)) == pytest.approx(float(expected), rel=1e-6)
