"""Distances between atoms under periodic boundaries, and histograms of them."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from mdfit.errors import ObservableError, nearest
from mdfit.observables.geometry import nearest_images
from mdfit.observables.snapshot import Snapshot
from mdfit.simulate import Trajectory

#: Pairs that are held in memory at once.
_PAIRS_AT_ONCE = 2**20
#: Where a Gaussian is cut, in standard deviations.
GAUSSIAN_REACH = 5.0


def vectors_from(snapshot: Snapshot, atom: Int[Array, ""]) -> Float[Array, "atoms 3"]:
    """Vectors in Å from one atom to the nearest image of every atom (exact for lengths up to half the cell's height)."""
    return nearest_images(snapshot, snapshot.positions - snapshot.positions[atom])


def sum_over_atoms(function: Callable[[Int[Array, ""]], Array], atoms: int) -> Array:
    """Σ_i function(i), some atoms at a time, so that memory stays bounded."""
    indices = jnp.arange(atoms)
    together = max(1, _PAIRS_AT_ONCE // atoms)
    if together >= atoms:
        return jnp.sum(jax.vmap(function)(indices), axis=0)
    return jnp.sum(jax.lax.map(function, indices, batch_size=together), axis=0)


def sum_over_pairs(
    snapshot: Snapshot, species: tuple[int | None, ...], function: Callable[[Array, Array], Array]
) -> tuple[Array, Array, Array]:
    """Σ_i function(distances, counted) over the atoms i, and how many atoms are of the first and the second species.

    ``distances`` (Å) are those from atom i to every atom; ``counted`` says which of these are ordered pairs of two
    different atoms, i of the first and the other of the second of the ``species``.  Distances of the others are 1 Å.
    """
    first, second = (is_species(snapshot, one) for one in species)
    others = jnp.arange(snapshot.number_of_atoms)

    def around(atom: Int[Array, ""]) -> Array:
        squared = jnp.sum(vectors_from(snapshot, atom) ** 2, axis=-1)
        counted = first[atom] & second & (others != atom)
        return function(jnp.sqrt(jnp.where(counted, squared, 1)), counted)

    return sum_over_atoms(around, snapshot.number_of_atoms), jnp.sum(first), jnp.sum(second)


def histogram(
    values: Float[Array, "*values"],
    weights: Float[Array, "*values"] | Bool[Array, "*values"],
    bins: int,
    width: float,
    smearing: float | None,
    periodic: bool = False,
) -> Float[Array, " bins"]:
    """Counts per bin of ``width`` from zero; with ``smearing`` each value is a Gaussian of that standard deviation.

    The Gaussian is evaluated at the centres of the bins, as in S. Thaler, J. Zavadlav, Nat. Commun. 12, 6884 (2021),
    doi:10.1038/s41467-021-27241-4, and cut at five standard deviations.  With ``periodic`` the bins close to a ring.
    """
    nearest_bin = jnp.floor(values / width).astype(jnp.int32)
    # The last bin holds its upper edge: straight angles are exactly there.
    nearest_bin = jnp.where(values <= bins * width, jnp.minimum(nearest_bin, bins - 1), nearest_bin)
    if smearing is None:
        index, height = nearest_bin, weights
    else:
        half = int(np.ceil(GAUSSIAN_REACH * smearing / width))
        index = nearest_bin[..., None] + jnp.arange(-half, half + 1)
        offset = (values[..., None] - (index + 0.5) * width) / smearing
        height = weights[..., None] * width / (np.sqrt(2 * np.pi) * smearing) * jnp.exp(-0.5 * offset**2)
    if periodic:
        index = index % bins
    inside = (index >= 0) & (index < bins)
    index, height = jnp.where(inside, index, bins), jnp.where(inside, height, 0)
    return jnp.zeros(bins + 1, values.dtype).at[index.ravel()].add(height.ravel().astype(values.dtype))[:bins]


def is_species(snapshot: Snapshot, species: int | None) -> Bool[Array, " atoms"]:
    """Which atoms are of a species; all for None."""
    return jnp.ones(snapshot.species.shape, bool) if species is None else snapshot.species == species


def species_number(species: str | int | None) -> int | None:
    """Atomic number of a chemical symbol; numbers and None pass.

    Raises:
        ObservableError: for an unknown symbol.
    """
    from ase.data import atomic_numbers

    if species is None or not isinstance(species, str):
        return None if species is None else int(species)
    if species not in atomic_numbers:
        raise ObservableError(f"{species!r} is no chemical symbol: {nearest(species, atomic_numbers)}")
    return int(atomic_numbers[species])


def species_name(species: int | None) -> str:
    """Chemical symbol of an atomic number; ``all`` for None."""
    from ase.data import chemical_symbols

    if species is None:
        return "all"
    return chemical_symbols[species] if 0 < species < len(chemical_symbols) else f"type {species}"


def species_choice(
    argument: str, species: tuple[str | int | None, ...] | None, example: tuple[str, ...]
) -> tuple[int | None, ...] | None:
    """Atomic numbers for an argument that takes as many species as ``example`` has; None passes.

    Raises:
        ObservableError: for another number of species, or an unknown symbol.
    """
    if species is None:
        return None
    if isinstance(species, str) or len(species) != len(example):
        wanted = ", ".join(f'"{one}"' for one in example)
        raise ObservableError(f"{argument} is {species!r}, but needs {len(example)} species, such as ({wanted}).")
    return tuple(species_number(one) for one in species)


def with_species(name: str, species: tuple[int | None, ...]) -> str:
    """A name followed by the species when there is a choice among them, such as ``RDF Si-O``."""
    return name if all(one is None for one in species) else f"{name} {'-'.join(map(species_name, species))}"


def check_range(name: str, species: tuple[int | None, ...], reach: float, trajectory: Trajectory) -> None:
    """Raises ObservableError when a species does not occur, or ``reach`` (Å) is too far for the cell."""
    check_species(name, species, trajectory)
    check_reach(name, reach, trajectory)


def check_species(name: str, species: tuple[int | None, ...], trajectory: Trajectory) -> None:
    """Raises ObservableError when a species does not occur."""
    present = set(np.unique(trajectory.species).tolist())
    missing = [one for one in species if one is not None and one not in present]
    if missing:
        raise ObservableError(
            f"{name} asks for {species_name(missing[0])}, but the trajectory holds only "
            f"{', '.join(species_name(one) for one in sorted(present))}."
        )


def check_reach(name: str, reach: float, trajectory: Trajectory) -> None:
    """Raises ObservableError when ``reach`` (Å) is more than half the smallest height of the cell in any frame."""
    periodic = np.asarray(trajectory.periodic, bool)
    if not periodic.any():
        return
    cells = np.where(periodic[:, None], trajectory.cells.astype(np.float64), 0.0)
    inverse = np.linalg.pinv(cells)[..., periodic]
    heights = 1 / np.linalg.norm(inverse, axis=-2)
    limit = float(heights.min()) / 2
    if reach > limit * (1 + 1e-6):
        raise ObservableError(
            f"{name} reaches {reach:.4g} Å, but nearest images are complete only up to {limit:.4g} Å, half the "
            "smallest height of the cell; choose a shorter range or simulate a larger cell."
        )
