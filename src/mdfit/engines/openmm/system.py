"""What OpenMM simulates, and how its units and particles become ours."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdfit.errors import SimulationError
from mdfit.structure import Structure
from mdfit.units import KILOJOULE_PER_MOLE, quantity

if TYPE_CHECKING:
    import openmm
    import openmm.app

#: Forces of this name are no part of the potential; no others may be in their group.
BIAS, BIAS_GROUP = "bias", 31
#: Å per nm, OpenMM's unit of length.
NANOMETRE = 10.0


def require_openmm() -> Any:
    """The package ``openmm``.

    Raises:
        SimulationError: it is not installed.
    """
    try:
        import openmm
        import openmm.app
    except ImportError:
        raise SimulationError(
            'Reference simulations need OpenMM, which is not installed: pip install "mdfit[openmm]".'
        ) from None
    return openmm


@dataclass(frozen=True, eq=False)
class ReferenceSystem:
    """A system for OpenMM: one of :mod:`mdfit.engines.openmm`, or of your own PDB file and force field.

    Example::

        pdb = openmm.app.PDBFile("molecule.pdb")
        system = openmm.app.ForceField("amber14-all.xml").createSystem(pdb.topology, constraints=openmm.app.HBonds)
        reference = ReferenceSystem(pdb.topology, system, pdb.getPositions(asNumpy=True)._value * 10)

    Attributes:
        topology: of OpenMM.
        system: of OpenMM; only forces count, no barostat or thermostat.
        positions: float64[particles, 3] in Å, virtual sites included.

    Raises:
        SimulationError: sizes differ, a massless particle is no virtual site, or a force is in the group of biases.
    """

    topology: openmm.app.Topology
    system: openmm.System
    positions: np.ndarray

    def __post_init__(self) -> None:
        positions = np.asarray(self.positions, np.float64)
        particles = self.system.getNumParticles()
        if positions.shape != (particles, 3) or self.topology.getNumAtoms() != particles:
            raise SimulationError(
                f"The system has {particles} particles, the topology {self.topology.getNumAtoms()} atoms, and the "
                f"positions have shape {positions.shape}: make them from the same file."
            )
        frozen = [i for i in range(particles) if self._mass(i) == 0 and not self.system.isVirtualSite(i)]
        if frozen:
            raise SimulationError(
                f"Particle {frozen[0]} has no mass, so that it would stand still: give it a mass, or make it a "
                "virtual site."
            )
        for force in self.system.getForces():
            if force.getForceGroup() == BIAS_GROUP and force.getName() != BIAS:
                raise SimulationError(
                    f"The force {force.getName()} is in group {BIAS_GROUP}, which is that of biases: give it another group."
                )
        object.__setattr__(self, "positions", positions)

    def _mass(self, particle: int) -> float:
        return self.system.getParticleMass(particle)._value

    @property
    def atoms(self) -> np.ndarray:
        """Numbers of the particles that are atoms, no virtual sites: int64[N]."""
        particles = range(self.system.getNumParticles())
        return np.array([i for i in particles if not self.system.isVirtualSite(i)], np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the atoms, such as ``"CA"``."""
        particles = list(self.topology.atoms())
        return tuple(particles[i].name for i in self.atoms)

    @property
    def constraints(self) -> np.ndarray:
        """Pairs of atoms at a fixed distance, numbered as :attr:`atoms`: int64[C, 2]."""
        new = np.full(self.system.getNumParticles(), -1)
        new[self.atoms] = np.arange(len(self.atoms))
        pairs = [self.system.getConstraintParameters(i)[:2] for i in range(self.system.getNumConstraints())]
        return new[np.array(pairs, np.int64).reshape(-1, 2)]

    @property
    def degrees_of_freedom(self) -> int:
        """Of the kinetic energy; the centre of mass moves as well."""
        return 3 * len(self.atoms) - self.system.getNumConstraints()

    def with_bias(self, atoms: Sequence[int], terms: Sequence[tuple[int, float | str, float | str]]) -> ReferenceSystem:
        """The same with a bias on a dihedral angle, Σ k [1 + cos(nφ − φ₀)], as of :class:`PeriodicDihedrals`.

        The bias moves the atoms, but is no part of the forces and energies of saved frames.  An average without it is the
        mean over frames with weights ∝ exp(bias / k_B T).

        Args:
            atoms: four atoms, numbered as :attr:`atoms`.
            terms: n, k in eV and φ₀ in rad of each term, or strings with units.

        Raises:
            SimulationError: not four different atoms, no such atoms, no terms, or terms that make no sense.
            UnitError: quantities of another dimension.
        """
        chosen = [int(atom) for atom in atoms]
        if len(set(chosen)) != 4 or len(chosen) != 4 or not 0 <= min(chosen) <= max(chosen) < len(self.atoms):
            raise SimulationError(
                f"A dihedral angle has four different atoms of 0 to {len(self.atoms) - 1}, not {chosen}."
            )
        openmm = require_openmm()
        force = openmm.PeriodicTorsionForce()
        force.setName(BIAS)
        force.setForceGroup(BIAS_GROUP)
        for number, amplitude, phase in terms:
            energy, angle = quantity(amplitude, "eV", "amplitude"), quantity(phase, "rad", "phase")
            if number != int(number) or number < 1:
                raise SimulationError(f"The multiplicity of a term is a whole number from 1, not {number}.")
            force.addTorsion(*self.atoms[chosen].tolist(), int(number), angle, energy / KILOJOULE_PER_MOLE)
        if force.getNumTorsions() == 0:
            raise SimulationError("A bias needs at least one term (n, k, φ₀).")
        system = copy.deepcopy(self.system)
        system.addForce(force)
        return ReferenceSystem(self.topology, system, self.positions)

    def structure(self) -> Structure:
        """The atoms at the start.

        Raises:
            StructureError: they are no valid structure.
        """
        particles = list(self.topology.atoms())
        periodic = self.system.usesPeriodicBoundaryConditions()
        vectors = self.system.getDefaultPeriodicBoxVectors()
        return Structure(
            species=np.array([particles[i].element.atomic_number for i in self.atoms]),
            positions=self.positions[self.atoms],
            cell=np.array([vector._value for vector in vectors]) * NANOMETRE if periodic else np.zeros((3, 3)),
            periodic=np.full(3, periodic),
            masses=np.array([self._mass(int(i)) for i in self.atoms]),
        )

    def fingerprint(self) -> str:
        """SHA-256 of all forces, masses and constraints."""
        text = require_openmm().XmlSerializer.serialize(self.system)
        return hashlib.sha256(text.encode()).hexdigest()
