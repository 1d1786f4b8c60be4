"""Alanine dipeptide (ACE-ALA-NME), built without any download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdfit.engines.openmm.system import NANOMETRE, ReferenceSystem, require_openmm
from mdfit.errors import SimulationError, nearest
from mdfit.units import GRAM_PER_CUBIC_CENTIMETRE, quantity

#: Force fields of the molecule that OpenMM brings along, and their implicit solvents (Onufriev, Bashford and Case).
FORCE_FIELDS = {
    "amber03": ("amber03.xml", "amber03_obc.xml"),
    "amber99sb-ildn": ("amber99sbildn.xml", "amber99_obc.xml"),
}
ENVIRONMENTS = ("vacuum", "implicit", "tip3p")
#: Molecules of TIP3P per Å³ at 300 K and 1 bar: 0.982 g/cm³ (W. L. Jorgensen et al., doi:10.1063/1.445869).
_WATER_PER_VOLUME = 0.982 * GRAM_PER_CUBIC_CENTIMETRE / 18.0154
#: Å³ that the molecule takes from the water, about its partial molar volume in water of 0.12 l/mol.
_SOLUTE_VOLUME = 200.0


def alanine_dipeptide(
    environment: str = "tip3p",
    force_field: str = "amber99sb-ildn",
    *,
    edge: str | float = "27.1381 Å",
    molecules: int | None = None,
    cutoff: str | float = "9 Å",
    hydrogen_mass: str | float | None = None,
) -> ReferenceSystem:
    """The molecule of 22 atoms with rigid bonds to hydrogen; its atoms come first, then those of the water.

    Args:
        environment: ``"vacuum"``, ``"implicit"`` (OBC) or ``"tip3p"`` (a cube of water).
        force_field: ``"amber99sb-ildn"`` (doi:10.1002/prot.22711) or ``"amber03"`` (doi:10.1002/jcc.10349).
        edge: of the cube of water in Å.
        molecules: of water; by default as many as give TIP3P's density at 300 K and 1 bar beside the molecule.
        cutoff: in water, in Å; charges by particle-mesh Ewald.
        hydrogen_mass: in amu, of the hydrogen atoms of the molecule, taken from the atoms they are bound to; 3 amu allow
            time steps of 4 fs.  The distribution of positions does not depend on masses.

    Raises:
        SimulationError: an unknown environment or force field, or a cutoff beyond half the edge.
    """
    for name, chosen, options in (
        ("environment", environment, ENVIRONMENTS),
        ("force_field", force_field, FORCE_FIELDS),
    ):
        if chosen not in options:
            raise SimulationError(f"There is no {name} {chosen!r} for alanine dipeptide: {nearest(chosen, options)}.")
    length, reach = quantity(edge, "Å", "edge"), quantity(cutoff, "Å", "cutoff")
    if environment == "tip3p" and not 0 < reach <= length / 2:
        raise SimulationError(f"The cutoff of {reach:g} Å must be positive and at most half the edge of {length:g} Å.")
    openmm = require_openmm()
    app = openmm.app
    protein, implicit = FORCE_FIELDS[force_field]
    files = {"vacuum": (protein,), "implicit": (protein, implicit), "tip3p": (protein, "tip3p.xml")}[environment]
    field = app.ForceField(*files)
    pdb = app.PDBFile(str(Path(__file__).with_name("alanine_dipeptide.pdb")))
    modeller = app.Modeller(pdb.topology, pdb.positions)
    if environment == "tip3p":
        room = length**3 - _SOLUTE_VOLUME
        modeller = _solvated(
            modeller, field, length, round(room * _WATER_PER_VOLUME) if molecules is None else molecules
        )
    mass = None if hydrogen_mass is None else quantity(hydrogen_mass, "amu", "hydrogen_mass")
    system = field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME if environment == "tip3p" else app.NoCutoff,
        nonbondedCutoff=reach / NANOMETRE,
        constraints=app.HBonds,
        rigidWater=True,
        hydrogenMass=mass,
        removeCMMotion=False,
    )
    positions = np.array(modeller.getPositions().value_in_unit(openmm.unit.angstrom))
    return ReferenceSystem(modeller.topology, system, positions)


def _solvated(solute: Any, field: Any, edge: float, molecules: int) -> Any:
    """The molecule in a cube with this number of water molecules.

    OpenMM leaves more room around a molecule than it needs, so that the cube is filled when it is larger, and the water
    molecules are then moved towards the centre; the relaxation before a run settles the rest.
    """
    openmm = require_openmm()
    app = openmm.app
    if not 0 < molecules < 1.3 * edge**3 * _WATER_PER_VOLUME:
        raise SimulationError(
            f"{molecules} molecules of water do not fit into a cube of {edge:g} Å: give another number, or another edge."
        )
    growth = 1.0
    while True:
        filled = app.Modeller(solute.topology, solute.positions)
        filled.addSolvent(field, model="tip3p", boxSize=openmm.Vec3(*[growth * edge / NANOMETRE] * 3))
        water = [residue for residue in filled.topology.residues() if residue.name == "HOH"]
        if len(water) >= molecules:
            break
        growth += 0.005
    filled.delete(water[molecules:])
    filled.topology.setPeriodicBoxVectors(np.eye(3) * edge / NANOMETRE)
    positions = np.array(filled.positions.value_in_unit(openmm.unit.nanometer))
    atoms = solute.topology.getNumAtoms()
    centre = positions[:atoms].mean(axis=0)
    oxygens = positions[atoms::3].repeat(3, axis=0)
    positions[atoms:] += (centre - oxygens) * (1 - 1 / growth)
    return app.Modeller(filled.topology, positions * openmm.unit.nanometer)
