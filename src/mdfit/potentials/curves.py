"""Potentials of one coordinate as curves: of a pair against its distance, of an external field along an axis."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from mdfit.errors import PotentialError
from mdfit.potentials.base import Potential, terms_of
from mdfit.potentials.external import ExternalField
from mdfit.potentials.pair import PairPotential


def pair_curve(potential: Potential, distances: np.ndarray, pair: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Energy of two atoms in eV at distances ``(points,)`` in Å, ``(points,)``; the sum over the terms of pairs.

    Args:
        potential: a pair potential, or a sum of which some terms are; other terms are left out.
        distances: of the two atoms.
        pair: their atomic numbers.

    Raises:
        PotentialError: when no term is a pair potential.
    """
    terms = [term for term in terms_of(potential) if isinstance(term, PairPotential)]
    if not terms:
        raise PotentialError("No term of the potential is one of pairs: give a PairPotential, or a sum with one.")
    squared = jnp.asarray(distances) ** 2
    first, second = (jnp.asarray(number, jnp.int32) for number in pair)
    return np.asarray(sum(term.pair_energy(squared, first, second) for term in terms), np.float64)


def field_curve(potential: Potential, coordinates: np.ndarray, axis: int = 0, species: int = 1) -> np.ndarray:
    """Energy of one atom in eV at coordinates ``(points,)`` in Å along an axis, ``(points,)``; the others are zero.

    Args:
        potential: an external field, or a sum of which some terms are; other terms are left out.
        coordinates: of the atom.
        axis: 0, 1 or 2.
        species: its atomic number.

    Raises:
        PotentialError: when no term is an external field.
    """
    terms = [term for term in terms_of(potential) if isinstance(term, ExternalField)]
    if not terms:
        raise PotentialError("No term of the potential is an external field: give one, or a sum with one.")
    places = jnp.zeros((len(coordinates), 3)).at[:, axis].set(jnp.asarray(coordinates))
    kinds = jnp.full(len(coordinates), species, jnp.int32)
    return np.asarray(sum(term.field_energy(places, kinds) for term in terms), np.float64)
