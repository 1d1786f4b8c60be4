"""Sums evaluated term by term, each on a graph of its own cutoff.

What is far away costs a term nothing then: a prior of long range beside a network of short range, for instance.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.base import Potential, terms_of
from mdfit.potentials.evaluation import energies, evaluate
from mdfit.potentials.stiffness import born_stiffness


def distinct_cutoffs(potential: Potential) -> tuple[float, ...]:
    """The cutoffs of the terms of a potential in Å, each once, in rising order."""
    return tuple(sorted({term.cutoff for term in terms_of(potential)}))


def energy_and_derivatives(
    potential: Potential, graphs: Sequence[Graph], stiffness: bool
) -> tuple[Float[Array, "structures ..."], ...]:
    """Energies ``(structures,)``, strain derivatives ``(structures, 3, 3)`` and, when asked for, the stiffness
    ``(structures, 3, 3, 3, 3)`` of :func:`born_stiffness`, all in eV.

    Args:
        potential: a sum, or any other.
        graphs: of the same structures, one for each of :func:`distinct_cutoffs`.
        stiffness: whether to calculate it.
    """
    by_cutoff = dict(zip(distinct_cutoffs(potential), graphs, strict=True))
    parts = []
    for term in terms_of(potential):
        graph = by_cutoff[term.cutoff]
        prediction = evaluate(term, graph)
        second = (born_stiffness(term, graph),) if stiffness else ()
        parts.append((prediction.energy, prediction.strain_derivative, *second))
    return tuple(sum(values[1:], start=values[0]) for values in zip(*parts, strict=True))


def temperature_derivatives(
    potential: Potential, graphs: Sequence[Graph]
) -> tuple[Float[Array, " structures"], Float[Array, " structures"]]:
    """∂U/∂T in eV/K and ∂²U/∂T² in eV/K² of each structure, at fixed positions; zero where U does not read T.

    Args:
        potential: a sum, or any other.
        graphs: as in :func:`energy_and_derivatives`, with a temperature where the potential reads it.
    """
    by_cutoff = dict(zip(distinct_cutoffs(potential), graphs, strict=True))
    zero = jnp.zeros(graphs[0].number_of_structures, jnp.float64)
    slope, curvature = zero, zero
    for term in terms_of(potential):
        if "temperature" in term.reads.conditions:
            first, second = _by_temperature(term, by_cutoff[term.cutoff])
            slope, curvature = slope + first, curvature + second
    return slope, curvature


def _by_temperature(term: Potential, graph: Graph) -> tuple[Float[Array, " structures"], Float[Array, " structures"]]:
    temperature = graph.condition("temperature")
    # Each energy depends on its own temperature alone, so that one forward derivative is enough.
    ones = jnp.ones_like(temperature)

    def slope(kelvin: Float[Array, " structures"]) -> Float[Array, " structures"]:
        return jax.jvp(lambda t: energies(term, graph.with_conditions(temperature=t)), (kelvin,), (ones,))[1]

    return jax.jvp(slope, (temperature,), (ones,))
