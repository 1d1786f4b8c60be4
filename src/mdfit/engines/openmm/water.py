"""Boxes of water, built without any download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdfit.engines.openmm.system import NANOMETRE, ReferenceSystem, require_openmm
from mdfit.errors import SimulationError, nearest
from mdfit.units import GRAM_PER_CUBIC_CENTIMETRE, quantity

#: Force fields: those that OpenMM brings along, and our own.
MODELS = {
    "tip3p": "tip3p.xml",
    "tip4pew": "tip4pew.xml",
    "tip4p2005": str(Path(__file__).with_name("tip4p2005.xml")),
}
_MASS = 18.0154
#: O, H and H of a molecule in Å; the rigid geometry of all models.
_MOLECULE = 0.9572 * np.array(
    [[0.0, 0.0, 0.0], *[[np.cos(np.radians(52.26)), sign * np.sin(np.radians(52.26)), 0.0] for sign in (1, -1)]]
)


def water_box(
    molecules: int,
    model: str = "tip4p2005",
    *,
    density: str | float = "0.9977 g/cm^3",
    edge: str | float | None = None,
    cutoff: str | float = "9 Å",
    seed: int = 0,
) -> ReferenceSystem:
    """Rigid water in a cube: Lennard-Jones to the cutoff with the energy of the tail, charges by particle-mesh Ewald.

    The molecules stand on a lattice, turned at random; :func:`mdfit.engines.openmm.run` relaxes them first.

    Args:
        molecules: their number.
        model: ``"tip3p"``, ``"tip4pew"`` or ``"tip4p2005"`` (doi:10.1063/1.2121687).
        density: in g/cm³, which gives the edge.
        edge: of the cube in Å, in place of the density.
        cutoff: in Å, at most half the edge.
        seed: of the start.

    Raises:
        SimulationError: an unknown model, no molecule, or a cutoff beyond half the edge.
    """
    if model not in MODELS:
        raise SimulationError(f"There is no water model {model!r}: {nearest(model, MODELS)}.")
    if molecules < 1:
        raise SimulationError(f"A box of water needs at least one molecule, not {molecules}.")
    volume = molecules * _MASS / (quantity(density, "g/cm^3", "density") * GRAM_PER_CUBIC_CENTIMETRE)
    length = volume ** (1 / 3) if edge is None else quantity(edge, "Å", "edge")
    reach = quantity(cutoff, "Å", "cutoff")
    if not 0 < reach <= length / 2:
        raise SimulationError(
            f"The cutoff of {reach:g} Å must be positive and at most half the edge of {length:.2f} Å: use more "
            "molecules or a smaller cutoff."
        )
    openmm = require_openmm()
    app = openmm.app
    force_field = app.ForceField(MODELS[model])
    topology = _topology(app, molecules)
    modeller = app.Modeller(topology, _placed(molecules, length, seed) / NANOMETRE)
    modeller.addExtraParticles(force_field)
    modeller.topology.setPeriodicBoxVectors(np.eye(3) * length / NANOMETRE)
    system = force_field.createSystem(
        modeller.topology,
        nonbondedMethod=app.PME,
        nonbondedCutoff=reach / NANOMETRE,
        rigidWater=True,
        removeCMMotion=False,
    )
    positions = np.array(modeller.getPositions().value_in_unit(openmm.unit.angstrom))
    return ReferenceSystem(modeller.topology, system, positions)


def _topology(app: Any, molecules: int) -> Any:
    topology = app.Topology()
    chain = topology.addChain()
    for _ in range(molecules):
        residue = topology.addResidue("HOH", chain)
        oxygen, first, second = (
            topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")
        )
        topology.addBond(oxygen, first)
        topology.addBond(oxygen, second)
    return topology


def _placed(molecules: int, edge: float, seed: int) -> np.ndarray:
    """Molecules on random sites of a simple cubic lattice, turned at random: float64[3 molecules, 3], Å."""
    from scipy.spatial.transform import Rotation

    random = np.random.default_rng(seed)
    sites = int(np.ceil(molecules ** (1 / 3) - 1e-9))
    grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    chosen = grid[random.permutation(len(grid))[:molecules]] * edge / sites
    turns = Rotation.random(molecules, rng=random).as_matrix()
    return (chosen[:, None] + np.einsum("mij,aj->mai", turns, _MOLECULE)).reshape(-1, 3)
