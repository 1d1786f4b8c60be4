"""Programs for any number of atoms and neighbours: exported once with symbolic sizes, they give the same energies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from mdfit.graph import Graph, build_graph
from mdfit.potentials import (
    ZBL,
    DimeNetPP,
    ExternalPolynomial,
    InversePower,
    LennardJones,
    PaiNN,
    PairSpline,
    StillingerWeber,
    energies,
    forces,
)
from mdfit.structure import Structure

SILICON = 14
POTENTIALS = {
    "LennardJones": lambda: LennardJones(0.1, 2.0, 4.0),
    "InversePower": lambda: InversePower(0.1, 2.0, 4.0, power=8),
    "PairSpline": lambda: PairSpline("0.5 Å", "4 Å", 12, coefficients=np.linspace(1.0, 0.1, 12)),
    "ZBL": lambda: ZBL("2 Å"),
    "StillingerWeber": StillingerWeber.silicon,
    "ExternalPolynomial": lambda: ExternalPolynomial(0, 0.0, [0.0, 0.1, 0.2]),
    "PaiNN": lambda: PaiNN([SILICON], 4.0, channels=8, layers=2),
    "DimeNetPP": lambda: DimeNetPP([SILICON], 4.0, blocks=1),
    "sum": lambda: StillingerWeber.silicon() + ZBL("2 Å"),
}


def graph(atoms, cutoff, seed):
    places = np.random.default_rng(seed).uniform(size=(atoms, 3)) * 6
    places += np.arange(atoms)[:, None] * np.array([2.0, 0.0, 0.0])
    cell = np.diag([2.0 * atoms + 6, 8.0, 8.0])
    structure = Structure(np.full(atoms, SILICON), places, cell, np.ones(3, bool), np.full(atoms, 28.0))
    return build_graph(structure, cutoff)


def arrays(one):
    return one.species, one.structure, one.neighbours, one.vectors, one.mask, one.reverse, one.positions


def program(potential, function):
    def compute(*columns):
        *edges, positions = columns
        return function(potential, Graph(*edges, number_of_structures=1, positions=positions))

    return jax.jit(compute)


@pytest.mark.parametrize("name", POTENTIALS)
@pytest.mark.parametrize("function", [energies, forces], ids=["energies", "forces"])
def test_an_exported_program_gives_the_same(name, function):
    potential = POTENTIALS[name]()
    atoms, neighbours = export.symbolic_shape("atoms, neighbours", constraints=["atoms >= 1", "neighbours >= 1"])
    template = arrays(graph(4, max(potential.cutoff, 4.0), 0))
    sizes = ((atoms,), (atoms,), (atoms, neighbours), (atoms, neighbours, 3), (atoms, neighbours), (atoms, neighbours))
    shapes = [
        jax.ShapeDtypeStruct(size, column.dtype) for size, column in zip((*sizes, (atoms, 3)), template, strict=True)
    ]
    compute = program(potential, function)
    exported = export.export(compute)(*shapes)
    for size, seed in ((3, 1), (9, 2)):
        columns = arrays(graph(size, max(potential.cutoff, 4.0), seed))
        expected = compute(*columns)
        assert np.abs(np.asarray(expected)).max() > 0
        np.testing.assert_allclose(exported.call(*columns), expected, rtol=1e-5, atol=1e-6)
        assert jnp.isfinite(expected).all()
