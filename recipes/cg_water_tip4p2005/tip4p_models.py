"""The potentials of the beads: a spline of pairs or a network, on a fixed repulsion."""

from __future__ import annotations

from typing import Literal

import jax
from tip4p_scales import TEMPERATURE

from mdfit.potentials import DimeNetPP, InversePower, PaiNN, PairSpline, Scaling, Sum
from mdfit.units import BOLTZMANN

#: The number of the beads' species: they are listed as their heaviest atom.
BEAD = 8
#: Beads within the cutoff of the network at 0.9977 g/cm³.
NEIGHBOURS = 17.0


def prior() -> InversePower:
    """ε(σ/r)¹² with ε = 1 kJ/mol and σ = 3.165 Å, switched off between 4.5 and 5 Å; it is never trained."""
    return InversePower("1 kJ/mol", "3.165 Å", cutoff="5 Å", power=12, switch_start="4.5 Å")


def spline(size: Literal["small", "published"]) -> Sum:
    """A spline up to 9 Å that is zero, of 46 intervals from 2.4 Å or as many as the published table has, and the prior."""
    zero = PairSpline("2.4 Å", "9 Å", 46) if size == "small" else PairSpline("0.5 Å", "9 Å", 90)
    return zero + prior()


def network(size: Literal["small", "published"], key: jax.Array) -> Sum:
    """A small PaiNN, or DimeNet++ of the published size, with random parameters and a cutoff of 5 Å; and the prior."""
    scaling = Scaling({BEAD: 0.0}, scale=BOLTZMANN * TEMPERATURE)
    if size == "published":
        return DimeNetPP((BEAD,), 5.0, scaling=scaling, key=key) + prior()
    sizes = {"channels": 16, "layers": 2, "radial_functions": 8, "mean_neighbours": NEIGHBOURS}
    return PaiNN((BEAD,), 5.0, **sizes, scaling=scaling, key=key) + prior()
