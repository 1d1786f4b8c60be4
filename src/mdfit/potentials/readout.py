"""From the features of an atom to its energy, in the scale of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.errors import PotentialError
from mdfit.graph import Graph
from mdfit.models import Constant
from mdfit.potentials.layers import Dense, SpeciesTable, silu

if TYPE_CHECKING:
    from mdfit.data import Dataset


@dataclass(frozen=True)
class Scaling:
    """Reference energies per species (eV), the scale of the learned part (eV), and what isolated atoms have.

    With ``isolated_at_reference`` an atom without neighbours has its reference energy, whatever is learned.

    Example:
        >>> import numpy as np
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import Scaling
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.1]], species=7)
        >>> Scaling.of(Dataset([LabelledStructure(dimer, energy=-9.0, forces=np.full((2, 3), 0.5))]))
        Scaling(reference_energies={7: -4.5}, scale=0.5, isolated_at_reference=False)
    """

    reference_energies: dict[int, float]
    scale: float
    isolated_at_reference: bool = False

    @classmethod
    def of(cls, dataset: Dataset) -> Scaling:
        """From a data set: reference energies by least squares, the scale from the root mean square of the forces.

        A force is an energy over a length of about 1 Å, so that the network's raw output is of order one.  Where the data
        hold isolated atoms, theirs are the reference energies, which the potential then keeps.
        """
        rms = dataset.force_rms()
        scale = rms if rms and np.isfinite(rms) else 1.0
        return cls(dataset.reference_energies(), scale, dataset.has_isolated_atoms())


def reference_table(species: tuple[int, ...], scaling: Scaling | None) -> Float[Array, " species"]:
    """Reference energies in the order of the species, in double precision; zero without a scaling."""
    energies = {} if scaling is None else scaling.reference_energies
    return jnp.asarray([energies.get(z, 0.0) for z in species], jnp.float64)


def require_positive(name: str, **settings: float) -> None:
    """Raises PotentialError for the first of these settings of a network that is not above zero and finite."""
    for setting, value in settings.items():
        if not 0 < value < np.inf:
            raise PotentialError(f"{name} needs a {setting.replace('_', ' ')} above 0, not {value}.")


def keeps_isolated_atoms(chosen: bool | None, scaling: Scaling | None) -> bool:
    """As chosen, or as the scaling says."""
    return chosen if chosen is not None else scaling is not None and scaling.isolated_at_reference


#: Energies of atoms and the features of the last layer that they are linear in.
EnergiesAndFeatures = tuple[Float[Array, " atoms"], Float[Array, "atoms features"]]


def with_isolated_atoms_at_reference(
    energies_of: Callable[[Graph], EnergiesAndFeatures],
    graph: Graph,
    species: tuple[int, ...],
    reference: Float[Array, " species"],
) -> EnergiesAndFeatures:
    """Energies and features per atom, shifted by element so that atoms without neighbours have their reference energies.

    Args:
        energies_of: the energies and features of the atoms of a graph.
        graph: whose energies are wanted.
        species: atomic numbers that are known.
        reference: energies of these, in eV.
    """
    count = len(species)
    alone = Graph(
        species=jnp.asarray(species, jnp.int32),
        structure=jnp.zeros(count, jnp.int32),
        neighbours=jnp.zeros((count, 1), jnp.int32),
        vectors=jnp.ones((count, 1, 3), graph.dtype),
        mask=jnp.zeros((count, 1), bool),
        reverse=jnp.zeros((count, 1), jnp.int32),
        number_of_structures=1,
    )
    shifts, features_alone = energies_of(alone)
    energies, features = energies_of(graph)
    kinds = SpeciesTable(species)(graph.species)
    return energies - (shifts - reference)[kinds], features - features_alone[kinds]


class Readout(eqx.Module):
    """A small network of the features, times a scale, plus the reference energy of the species.

    The reference energies are double precision, so that total energies of −10⁵ eV keep their last digits.
    """

    hidden: Dense
    outer: Dense
    scale: Constant
    reference: Constant

    def __init__(self, species: tuple[int, ...], channels: int, key: jax.Array, scaling: Scaling | None):
        first, second = jax.random.split(key)
        self.hidden = Dense(channels, channels // 2, first)
        self.outer = Dense(channels // 2, 1, second)
        self.scale = Constant(jnp.float32(1.0 if scaling is None else scaling.scale))
        self.reference = Constant(reference_table(species, scaling))

    def __call__(self, inputs: Float[Array, "atoms channels"], kinds: Int[Array, " atoms"]) -> EnergiesAndFeatures:
        """Energies in eV, and the features that they are linear in: those of the last layer, and 1 for its bias."""
        hidden = silu(self.hidden(inputs))
        raw = self.outer(hidden)[:, 0]
        energies = (raw * self.scale.value).astype(jnp.float64) + self.reference.value[kinds]
        features = jnp.concatenate([hidden, jnp.ones_like(hidden[:, :1])], axis=1)
        return energies, features * self.scale.value
