"""The potentials of the beads, and the model of water whose forces the network learns first."""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from water_targets import OXYGEN, TEMPERATURE

from mdfit.potentials import DimeNetPP, InversePower, PairSpline, Scaling, StillingerWeber, Sum
from mdfit.units import BOLTZMANN, quantity

#: Of networks: energies of the order of kT.
SCALING = Scaling({OXYGEN: 0.0}, scale=BOLTZMANN * TEMPERATURE)


def prior() -> InversePower:
    """ε(σ/r)¹² with ε = 1 kJ/mol and σ = 3.165 Å, switched off between 4.5 and 5 Å; it is never trained."""
    return InversePower("1 kJ/mol", "3.165 Å", cutoff="5 Å", power=12, switch_start="4.5 Å")


def zero_spline(cutoff: float, intervals: int) -> PairSpline:
    """A spline from 2.2 Å to the cutoff (Å) that is zero."""
    return PairSpline("2.2 Å", cutoff, intervals)


def flat_spline() -> Sum:
    """A spline of 38 intervals up to 7.5 Å, and the prior."""
    return zero_spline(7.5, 38) + prior()


def small_network(key: jax.Array) -> Sum:
    """DimeNet++ of one interaction block with a cutoff of 4.5 Å, whose energies are of the order of kT, and the prior."""
    channels = {"edge_channels": 16, "triplet_channels": 8, "output_channels": 16}
    sizes = {"blocks": 1, "radial_functions": 6, "angular_functions": 4, "residuals_after": 1, "output_layers": 2}
    return DimeNetPP((OXYGEN,), 4.5, **channels, **sizes, scaling=SCALING, key=key) + prior()


def published_network(key: jax.Array) -> Sum:
    """DimeNet++ of the published size with a cutoff of 5 Å, and the prior."""
    return DimeNetPP((OXYGEN,), 5.0, scaling=SCALING, key=key) + prior()


def monatomic_water() -> StillingerWeber:
    """mW: V. Molinero, E. B. Moore, J. Phys. Chem. B 113, 4008 (2009), doi:10.1021/jp805227c."""
    return StillingerWeber(OXYGEN, epsilon=quantity("6.189 kcal/mol", "eV"), sigma=2.3925, strength=23.15)


def sizes(trained: Any, spline: float) -> Any:
    """Sizes of the trained parameters: that of the spline in eV, and 1 for those of a network."""
    terms = []
    for term in trained.terms:
        size = spline if isinstance(term, PairSpline) else 1.0
        terms.append(jax.tree.map(partial(jnp.full_like, fill_value=size), term))
    return eqx.tree_at(lambda tree: tree.terms, trained, tuple(terms))
