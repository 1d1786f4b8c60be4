"""The systems that are timed, defined once and in numpy only, so that every program gets the same work.

Units: Å, eV, amu, K; times in fs. Run any program of this folder with this file's directory on PYTHONPATH.
"""

import math
from dataclasses import dataclass

import numpy as np

BOLTZMANN = 8.617333262e-5  # eV/K
FEMTOSECOND = 0.09822694788464063  # Å sqrt(amu/eV) per fs


@dataclass(frozen=True)
class LennardJonesLiquid:
    """A dense Lennard-Jones fluid (reduced density 0.90, reduced temperature 1.50) at the number density of water."""

    number_of_atoms: int
    sigma: float = 3.0
    epsilon: float = 0.0172
    mass: float = 18.0
    switch_onset: float = 8.0
    cutoff: float = 9.0
    skin: float = 1.0
    temperature: float = 300.0
    timestep: float = 2.0
    friction: float = 0.001  # per fs
    equilibration_steps: int = 300

    @property
    def box(self) -> float:
        """Edge of the cubic box; 30 Å for 901 atoms."""
        return 30.0 * (self.number_of_atoms / 901) ** (1 / 3)

    def positions(self) -> np.ndarray:
        """A simple cubic lattice with vacancies, which melts at once. Shape (atoms, 3)."""
        sites = math.ceil(self.number_of_atoms ** (1 / 3))
        grid = np.stack(np.meshgrid(*[np.arange(sites)] * 3, indexing="ij"), -1).reshape(-1, 3)
        random = np.random.default_rng(0)
        occupied = np.sort(random.permutation(len(grid))[: self.number_of_atoms])
        spacing = self.box / sites
        return (grid[occupied] + 0.5) * spacing + random.normal(0.0, 0.05, (self.number_of_atoms, 3))


@dataclass(frozen=True)
class SiliconCrystal:
    """Diamond silicon with thermal displacements; `repeats` cells of 8 atoms along each axis."""

    repeats: tuple[int, int, int]
    lattice_constant: float = 5.43
    mass: float = 28.085
    cutoff: float = 5.0
    skin: float = 0.5
    displacement: float = 0.08
    temperature: float = 300.0
    timestep: float = 1.0
    # Random weights do not hold a crystal together: each program adds something that does, as cheap as it can, for
    # instance a spring to each site, and scales the network's output down.
    network_scale: float = 1e-3
    spring: float = 5.0  # eV/Å²

    @property
    def number_of_atoms(self) -> int:
        return 8 * math.prod(self.repeats)

    @property
    def box(self) -> np.ndarray:
        """Edges of the orthorhombic box, shape (3,)."""
        return self.lattice_constant * np.array(self.repeats, float)

    def sites(self) -> np.ndarray:
        """Lattice sites, shape (atoms, 3)."""
        fcc = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
        basis = np.concatenate([fcc, fcc + 0.25])
        cells = np.stack(np.meshgrid(*[np.arange(n) for n in self.repeats], indexing="ij"), -1).reshape(-1, 1, 3)
        # An eighth of a cell keeps the sites off the faces of the box.
        return ((cells + basis).reshape(-1, 3) + 0.125) * self.lattice_constant

    def positions(self, seed: int = 0) -> np.ndarray:
        """Sites with Gaussian displacements, shape (atoms, 3)."""
        random = np.random.default_rng(seed)
        return self.sites() + random.normal(0.0, self.displacement, (self.number_of_atoms, 3))


@dataclass(frozen=True)
class TrainingSet:
    """Structures with random labels: the time of a training step does not depend on what the labels say.

    `box` is None for isolated molecules. Positions (structures, atoms, 3), species (atoms,) counted from 0,
    energies (structures,), forces (structures, atoms, 3).
    """

    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray | None
    energies: np.ndarray
    forces: np.ndarray
    cutoff: float
    batch: int

    def edges_and_triplets(self) -> np.ndarray:
        """Edges and triplets (i, j, k all different) within the cutoff per structure, shape (structures, 2)."""
        counts = []
        for positions in self.positions:
            vectors = positions[None] - positions[:, None]
            if self.box is not None:
                vectors -= self.box * np.round(vectors / self.box)
            within = np.linalg.norm(vectors, axis=-1) < self.cutoff
            np.fill_diagonal(within, False)
            neighbours = within.sum(1)
            counts.append((neighbours.sum(), (neighbours * (neighbours - 1)).sum()))
        return np.array(counts)

    def details(self) -> dict[str, float]:
        """Batch, cutoff and mean numbers of edges, triplets and neighbours, for the record."""
        edges, triplets = self.edges_and_triplets().mean(0)
        return {
            "batch": self.batch,
            "cutoff": self.cutoff,
            "edges_per_structure": float(edges),
            "triplets_per_structure": float(triplets),
            "neighbours_per_atom": float(edges / self.positions.shape[1]),
        }


def _labelled(positions, species, box, cutoff, batch) -> TrainingSet:
    random = np.random.default_rng(1)
    energies = random.normal(0.0, 1.0, len(positions))
    return TrainingSet(positions, species, box, energies, random.normal(0.0, 1.0, positions.shape), cutoff, batch)


def silicon_training_set(batch: int = 8, batches: int = 4) -> TrainingSet:
    """64-atom silicon cells."""
    crystal = SiliconCrystal((2, 2, 2))
    positions = np.stack([crystal.positions(seed) for seed in range(batch * batches)])
    return _labelled(positions, np.zeros(64, int), crystal.box, crystal.cutoff, batch)


def molecule_training_set(batch: int = 64, batches: int = 4, beads: int = 10, cutoff: float = 5.0) -> TrainingSet:
    """Chains of ten beads of four kinds: bonds of 1.5 Å, no two beads closer than 1.3 Å."""
    random = np.random.default_rng(2)
    molecules = []
    while len(molecules) < batch * batches:
        steps = random.normal(size=(beads - 1, 3))
        steps *= 1.5 / np.linalg.norm(steps, axis=1, keepdims=True)
        chain = np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)])
        distances = np.linalg.norm(chain[:, None] - chain[None], axis=-1)[np.triu_indices(beads, 1)]
        if distances.min() > 1.3:
            molecules.append(chain - chain.mean(0))
    species = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1])
    return _labelled(np.stack(molecules), species, None, cutoff, batch)


@dataclass(frozen=True)
class ReweightedTraining:
    """One update from a radial distribution function and a pressure: so many frames, so many steps apart.

    `system` is a liquid, whose pair potential becomes a spline of `knots`, or a crystal, driven by a network.
    """

    system: LennardJonesLiquid | SiliconCrystal
    frames: int
    steps_between: int
    bins: int
    rdf_range: float
    first_knot: float = 2.0
    knots: int = 50


def lennard_jones_table(work: ReweightedTraining) -> tuple[np.ndarray, np.ndarray]:
    """Knots in Å and energies in eV of the liquid's potential, zero at the cutoff."""
    liquid = work.system
    knots = np.linspace(work.first_knot, liquid.cutoff, work.knots)
    attraction = (liquid.sigma / knots) ** 6
    edge = (liquid.sigma / liquid.cutoff) ** 6
    return knots, 4 * liquid.epsilon * (attraction**2 - attraction - edge**2 + edge)


@dataclass(frozen=True)
class ChainsOfBeads:
    """One update of relative entropy: chains of molecules of ten beads side by side, and as many reference frames.

    The beads of `molecule_training_set` with harmonic bonds and a network on top, isolated for us, in a wide box for
    programs that need one.
    """

    chains: int = 64
    frames: int = 10
    steps_between: int = 10
    beads: int = 10
    cutoff: float = 5.0
    box: float = 40.0
    bond: float = 1.5
    stiffness: float = 10.0  # eV/Å²
    network_scale: float = 1e-3
    mass: float = 14.0
    temperature: float = 300.0
    timestep: float = 2.0
    friction: float = 0.01  # 1/fs

    def reference(self) -> TrainingSet:
        """As many structures as the chains have frames."""
        return molecule_training_set(batch=self.chains, batches=self.frames, beads=self.beads, cutoff=self.cutoff)


CHAINS = {"relative_entropy_10": ChainsOfBeads()}
LIQUIDS = {"lennard_jones_901": LennardJonesLiquid(901), "lennard_jones_4000": LennardJonesLiquid(4000)}
CRYSTALS = {
    "dimenet_md_64": SiliconCrystal((2, 2, 2)),
    "dimenet_md_512": SiliconCrystal((4, 4, 4)),
    "dimenet_md_4096": SiliconCrystal((8, 8, 8)),
    "painn_md_64": SiliconCrystal((2, 2, 2)),
    "painn_md_512": SiliconCrystal((4, 4, 4)),
    "painn_md_4096": SiliconCrystal((8, 8, 8)),
}
TRAINING_SETS = {"force_matching_molecules": molecule_training_set, "force_matching_silicon": silicon_training_set}
UPDATES = {
    "difftre_spline_901": ReweightedTraining(
        LennardJonesLiquid(901), frames=100, steps_between=20, bins=300, rdf_range=10.0
    ),
    "difftre_dimenet_64": ReweightedTraining(
        SiliconCrystal((2, 2, 2)), frames=100, steps_between=10, bins=100, rdf_range=5.4
    ),
}
SPREADS = {"last_layer": SiliconCrystal((2, 2, 2))}
