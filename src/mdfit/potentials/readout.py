"""From the features of an atom to its energy, in the scale of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.models import Constant
from mdfit.potentials.layers import Dense, silu

if TYPE_CHECKING:
    from mdfit.data import Dataset


@dataclass(frozen=True)
class Scaling:
    """Reference energies per species (eV) and the scale of the learned part (eV).

    Example:
        >>> import numpy as np
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import Scaling
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.1]], species=7)
        >>> Scaling.of(Dataset([LabelledStructure(dimer, energy=-9.0, forces=np.full((2, 3), 0.5))]))
        Scaling(reference_energies={7: -4.5}, scale=0.5)
    """

    reference_energies: dict[int, float]
    scale: float

    @classmethod
    def of(cls, dataset: Dataset) -> Scaling:
        """From a data set: reference energies by least squares, the scale from the root mean square of the forces.

        A force is an energy over a length of about 1 Å, so that the network's raw output is of order one.
        """
        rms = dataset.force_rms()
        return cls(dataset.reference_energies(), rms if rms and np.isfinite(rms) else 1.0)


def reference_table(species: tuple[int, ...], scaling: Scaling | None) -> Float[Array, " species"]:
    """Reference energies in the order of the species, in double precision; zero without a scaling."""
    energies = {} if scaling is None else scaling.reference_energies
    return jnp.asarray([energies.get(z, 0.0) for z in species], jnp.float64)


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

    def __call__(self, features: Float[Array, "atoms channels"], kinds: Int[Array, " atoms"]) -> Float[Array, " atoms"]:
        raw = self.outer(silu(self.hidden(features)))[:, 0]
        return (raw * self.scale.value).astype(jnp.float64) + self.reference.value[kinds]
