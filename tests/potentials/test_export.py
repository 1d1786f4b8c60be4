"""Programs for any number of atoms and neighbours: exported once with symbolic sizes, they give the same energies."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from mdfit import potentials
from mdfit.graph import Graph, build_graph
from mdfit.potentials import (
    ZBL,
    Allegro,
    DimeNetPP,
    Excluding,
    ExternalPolynomial,
    ExternalSpline,
    HarmonicAngles,
    HarmonicBonds,
    InversePower,
    LastLayer,
    LennardJones,
    ListedInversePower,
    ListedLennardJones,
    PaiNN,
    PairSpline,
    PeriodicDihedrals,
    PotentialSet,
    Scales,
    ShallowEnsemble,
    StillingerWeber,
    energies,
    forces,
)
from mdfit.structure import Structure

SILICON = 14
#: Beyond any distance between neighbours in a molecule.
FAR = 9.0
POTENTIALS = {
    "LennardJones": lambda: LennardJones(0.1, 2.0, 4.0),
    "InversePower": lambda: InversePower(0.1, 2.0, 4.0, power=8),
    "PairSpline": lambda: PairSpline("0.5 Å", "4 Å", 12, coefficients=np.linspace(1.0, 0.1, 12)),
    "ZBL": lambda: ZBL("2 Å"),
    "StillingerWeber": StillingerWeber.silicon,
    "ExternalPolynomial": lambda: ExternalPolynomial(0, 0.0, [0.0, 0.1, 0.2]),
    "PaiNN": lambda: PaiNN([SILICON], 4.0, channels=8, layers=2),
    "DimeNetPP": lambda: DimeNetPP([SILICON], 4.0, blocks=1),
    "Allegro": lambda: Allegro([SILICON], 4.0, channels=8, tensor_channels=4),
    "ExternalSpline": lambda: ExternalSpline(1, 0.0, 8.0, 4, np.linspace(0, 1, 7) ** 2),
    "HarmonicBonds": lambda: HarmonicBonds(3, [(0, 1), (1, 2)], 2.0, 1.5, FAR),
    "HarmonicAngles": lambda: HarmonicAngles(3, [(0, 1, 2)], 1.9, 0.7, FAR),
    "PeriodicDihedrals": lambda: PeriodicDihedrals(4, [(0, 1, 2, 3)], None, 2, 0.3, 1.0, FAR),
    "ListedInversePower": lambda: ListedInversePower(3, [(0, 2)], 0.1, 4.0, FAR),
    "ListedLennardJones": lambda: ListedLennardJones(3, [(0, 2)], 0.1, 4.0, FAR),
    "Excluding": lambda: Excluding(LennardJones(0.1, 2.0, 4.0), 3, [(0, 1)]),
    "PotentialSet": lambda: PotentialSet.of([PaiNN([SILICON], 4.0, channels=4, layers=1), other_network()]),
    "LastLayer": lambda: LastLayer(other_network(), 0.1 * np.eye(3), Scales(1.0, 1.0, 1.0)),
    "ShallowEnsemble": lambda: ShallowEnsemble.of(other_network(), members=2),
    "sum": lambda: StillingerWeber.silicon() + ZBL("2 Å"),
    "sum with bonds": lambda: StillingerWeber.silicon() + HarmonicBonds(3, [(0, 1)], 2.0, 1.5, FAR),
}


def other_network():
    """Of the same architecture with other parameters."""
    return PaiNN([SILICON], 4.0, channels=4, layers=1, key=jax.random.key(5))


#: Every class is there, unless it is the base of others.
LEFT_OUT = {"Sum"}


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


def test_every_class_is_exported():
    shipped = {name for name in potentials.__all__ if _is_concrete(getattr(potentials, name))}
    assert shipped - LEFT_OUT <= POTENTIALS.keys()


def _is_concrete(kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, potentials.Potential) and not inspect.isabstract(kind)


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
    molecule = 12 if potential.reads.order else 9
    for size, seed in ((3 if molecule == 9 else 24, 1), (molecule, 2)):
        columns = arrays(graph(size, max(potential.cutoff, 4.0), seed))
        expected = compute(*columns)
        assert np.abs(np.asarray(expected)).max() > 0
        np.testing.assert_allclose(exported.call(*columns), expected, rtol=1e-5, atol=1e-6)
        assert jnp.isfinite(expected).all()
