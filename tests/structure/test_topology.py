"""Topologies: what follows from bonds, several molecules, files, and bad input."""

import ase.build
import numpy as np
import pytest

from mdfit.errors import StructureError
from mdfit.structure import Structure, Topology, read_topology, topology_by_distance

#: The heavy atoms of ACE-ALA-NME: CH3, C, O, N, CA, CB, C, O, N, CH3.
ALANINE = [(0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (4, 6), (6, 7), (6, 8), (8, 9)]


def rows(table) -> set[tuple[int, ...]]:
    return {min(row, row[::-1]) for row in map(tuple, np.asarray(table).tolist())}


def test_angles_and_dihedrals_of_alanine_dipeptide_follow_from_its_bonds():
    topology = Topology.from_bonds(10, ALANINE)
    assert rows(topology.angles) == {
        *[(0, 1, 2), (0, 1, 3), (2, 1, 3), (1, 3, 4), (3, 4, 5), (3, 4, 6)],
        *[(5, 4, 6), (4, 6, 7), (4, 6, 8), (7, 6, 8), (6, 8, 9)],
    }
    assert rows(topology.dihedrals) == {
        *[(0, 1, 3, 4), (2, 1, 3, 4), (1, 3, 4, 5), (1, 3, 4, 6), (3, 4, 6, 7)],
        *[(3, 4, 6, 8), (5, 4, 6, 7), (5, 4, 6, 8), (4, 6, 8, 9), (7, 6, 8, 9)],
    }
    assert rows(topology.nonbonded_pairs()) == {
        *[(0, 5), (0, 6), (0, 7), (0, 8), (0, 9), (1, 7), (1, 8), (1, 9), (2, 5), (2, 6)],
        *[(2, 7), (2, 8), (2, 9), (3, 9), (5, 9)],
    }
    assert len(topology.excluded_pairs()) == 45 - 15
    assert rows(topology.excluded_pairs(1)) == rows(ALANINE)
    assert len(topology.excluded_pairs(2)) == 9 + 11
    assert len(topology.excluded_pairs(0)) == 0


def test_a_ring_of_four_has_no_dihedral_from_an_atom_to_itself():
    square = Topology.from_bonds(4, [(0, 1), (1, 2), (2, 3), (3, 0)])
    assert (len(square.angles), len(square.dihedrals)) == (4, 4)
    triangle = Topology.from_bonds(3, [(0, 1), (1, 2), (2, 0)])
    assert (len(triangle.angles), len(triangle.dihedrals)) == (3, 0)


def test_several_molecules_side_by_side():
    molecule = Topology.from_bonds(10, ALANINE).with_impropers([1])
    three = molecule.repeated(3)
    assert three.number_of_atoms == 30
    np.testing.assert_array_equal(three.angles[11:22], molecule.angles + 10)
    assert three.impropers.tolist() == [[0, 2, 1, 3], [10, 12, 11, 13], [20, 22, 21, 23]]
    ion = Topology(1)
    mixed = molecule + ion + molecule
    assert (mixed.number_of_atoms, len(mixed.bonds)) == (21, 18)
    np.testing.assert_array_equal(mixed.dihedrals[10:], molecule.dihedrals + 11)


def test_bonds_by_distance_are_those_of_the_molecule():
    ethanol = topology_by_distance(Structure.from_ase(ase.build.molecule("CH3CH2OH")))
    assert (len(ethanol.bonds), len(ethanol.angles), len(ethanol.dihedrals)) == (8, 13, 12)


def test_bonds_through_the_faces_of_a_cell():
    atoms = ase.build.molecule("CH3CH2OH", cell=[8.0, 8.0, 8.0], pbc=True)
    expected = rows(topology_by_distance(Structure.from_ase(atoms)).bonds)
    atoms.wrap()
    assert np.ptp(atoms.positions, axis=0).max() > 7
    assert rows(topology_by_distance(Structure.from_ase(atoms)).bonds) == expected


def test_conect_records_of_a_pdb_file_come_before_distances(tmp_path):
    atoms = ase.build.molecule("CH3CH2OH")
    path = tmp_path / "ethanol.pdb"
    atoms.write(path)
    by_distance = rows(topology_by_distance(Structure.from_ase(atoms)).bonds)
    assert rows(read_topology(path).bonds) == by_distance
    text = path.read_text().replace("END", "CONECT    1    2    4\nCONECT    2    1\nEND", 1)
    path.write_text(text)
    assert rows(read_topology(path).bonds) == {(0, 1), (0, 3)}
    path.write_text(text.replace("    1    2    4", "    1    2   44"))
    with pytest.raises(StructureError, match="CONECT record names atom 44"):
        read_topology(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bonds": [(0, 4)]}, r"bonds\[0\] is 0–4, but the molecule has the atoms 0 to 3"),
        ({"bonds": [(0, -1)]}, "count atoms from 0"),
        ({"bonds": [(0, 1), (1, 0)]}, r"bonds\[1\], 1–0, occurs already as bonds\[0\]"),
        ({"angles": [(0, 1, 2), (2, 1, 0)]}, "occurs already"),
        ({"dihedrals": [(0, 1, 2, 0)]}, "name 4 different atoms"),
        ({"impropers": [(0, 1, 2)]}, "rows of 4 atoms"),
        ({"bonds": [(0.5, 1)]}, "rows of 2 atoms"),
        ({"bonds": 3}, "rows of 2 atoms"),
        ({"number_of_atoms": 0}, "at least 1"),
    ],
)
def test_bad_topologies_are_refused_with_the_reason(arguments, message):
    with pytest.raises(StructureError, match=message):
        Topology(**{"number_of_atoms": 4, **arguments})


def test_a_centre_of_four_bonds_has_no_improper():
    with pytest.raises(StructureError, match="Atom 4 has 4 bonds"):
        Topology.from_bonds(5, [(4, 0), (4, 1), (4, 2), (4, 3)]).with_impropers([4])


def test_a_crystal_is_no_molecule():
    with pytest.raises(StructureError, match="cell too small"):
        topology_by_distance(Structure.from_ase(ase.build.bulk("Si")))
