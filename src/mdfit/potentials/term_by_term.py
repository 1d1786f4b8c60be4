"""Sums evaluated term by term, each on a graph of its own cutoff.

What is far away costs a term nothing then: a prior of long range beside a network of short range, for instance.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Array, Float

from mdfit.graph import Graph
from mdfit.potentials.base import Potential, terms_of
from mdfit.potentials.evaluation import evaluate
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
