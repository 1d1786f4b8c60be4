"""Screened nuclear repulsion at short distances.

J. F. Ziegler, J. P. Biersack, U. Littmark, The Stopping and Range of Ions in Solids (Pergamon, 1985).
"""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.potentials.layers import polynomial_envelope
from mdfit.potentials.pair import PairPotential
from mdfit.units import quantity

#: e²/(4πε₀) in eV Å, and the Bohr radius in Å (CODATA 2018).
COULOMB = 14.399645478425668
BOHR = 0.529177210903

_AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
_DECAYS = (3.19980, 0.94229, 0.40290, 0.20162)


class ZBL(PairPotential):
    """φ(r) = Z₁Z₂e²/(4πε₀r) Φ(r/a), a = 0.8854 a₀/(Z₁^0.23 + Z₂^0.23), times an envelope that ends it.

    The envelope reaches zero at the sum of the covalent radii of both atoms (or at the cutoff, if that is shorter), with
    two vanishing derivatives, so that bonded atoms hardly feel the repulsion.  Nothing in it is trainable.

    Args:
        cutoff: in Å, the longest range for any pair.

    Example:
        >>> import numpy as np
        >>> from mdfit.potentials import ZBL, pair_curve
        >>> pair_curve(ZBL(), np.array([0.5, 1.0, 2.5]), pair=(14, 14)).round(1).tolist()
        [469.4, 46.5, 0.0]
    """

    cutoff: float = eqx.field(static=True)

    def __init__(self, cutoff: float | str = 3.0):
        self.cutoff = quantity(cutoff, "Å", "cutoff")

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return ()

    def pair_energy(
        self, squared_distance: Float[Array, "*pairs"], first: Int[Array, "*#pairs"], second: Int[Array, "*#pairs"]
    ) -> Float[Array, "*pairs"]:
        dtype = squared_distance.dtype
        radii, powers = _tables()
        charges = (first * second).astype(dtype)
        distance = jnp.sqrt(squared_distance)
        power = jnp.asarray(powers, dtype)
        scaled = distance * (power[first] + power[second]) / (0.8854 * BOHR)
        screening = sum(c * jnp.exp(-d * scaled) for c, d in zip(_AMPLITUDES, _DECAYS, strict=True))
        radius = jnp.asarray(radii, dtype)
        end = jnp.minimum(radius[first] + radius[second], self.cutoff)
        return COULOMB * charges / distance * screening * polynomial_envelope(distance / end)


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Covalent radii in Å and Z^0.23, by atomic number."""
    from ase.data import covalent_radii

    return np.asarray(covalent_radii), np.arange(len(covalent_radii)) ** 0.23
