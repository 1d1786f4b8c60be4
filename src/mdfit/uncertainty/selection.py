"""Which structures to label next: those that a potential is unsure of, and that differ from each other."""

from __future__ import annotations

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.data import Dataset
from mdfit.errors import DataError
from mdfit.graph import Graph
from mdfit.graph.batches import Batches
from mdfit.potentials import KnownSpread, NeuralPotential, Potential, PotentialSet, StructureSpread, known_spread
from mdfit.potentials.base import seen_by, terms_of
from mdfit.uncertainty.known_spread import structure_spreads, times_known


@dataclass(frozen=True, eq=False)
class Selection:
    """Structures of a pool, the first chosen one first.

    Attributes:
        indices: of the chosen ones in the pool.
        spreads: of every structure of the pool.
        distances: how far each chosen one was, in the space of features, from those that were known or chosen before it;
            infinite for the first one when none is known.

    Example:
        >>> import jax
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import PaiNN, PotentialSet
        >>> from mdfit.uncertainty import select
        >>> members = [PaiNN([14], 4.0, channels=8, layers=1, key=jax.random.key(k)) for k in range(2)]
        >>> places = [[[0, 0, 0], [0, 0, z]] for z in (1.5, 2.3, 2.3, 3.5)]
        >>> pool = Dataset([LabelledStructure(Structure.in_open_space(p, species=14)) for p in places])
        >>> found = select(PotentialSet.of(members), pool, 3)
        >>> sorted(found.indices.tolist()) in ([0, 1, 3], [0, 2, 3])
        True
    """

    indices: np.ndarray
    spreads: StructureSpread
    distances: np.ndarray


def select(
    potential: Potential, pool: Dataset, number: int, known: Dataset | None = None, batch_size: int = 8
) -> Selection:
    """Chooses structures one after the other, each by the product of its spread and its distance from those before it.

    The spread is that of :func:`times_known`, in units of the pool's medians where no known spread is there.  The distance
    is in the space of the potential's own features: of a network the features of its last layer, of other sets of
    potentials the deviations of the members' energies from their mean; their means over the atoms of a structure, in units
    of their standard deviations in the pool.  Copies of one structure are therefore never chosen twice while there are
    others.

    Args:
        potential: one that knows its spread.
        pool: structures, of which labels are not used.
        number: to choose.
        known: structures that are labelled already, from which the chosen ones should differ, too.
        batch_size: structures evaluated together.

    Raises:
        DataError: when more are asked for than the pool has, or the potential gives no finite spread for a structure.
        PotentialError: for a potential that knows no spread, or a sum without features.
        UnknownSpeciesError, StructureError: as :func:`mdfit.potentials.check_dataset`.
    """
    if not 1 <= number <= len(pool):
        raise DataError(f"{number} structures cannot be chosen of {len(pool)}; ask for 1 to {len(pool)}.")
    found = structure_spreads(potential, pool, batch_size)
    spreads = times_known(found, known_spread(potential) or _usual(found))
    features = structure_features(potential, pool, batch_size)
    width = features.std(axis=0)
    scale = np.where(width > 1e-9 * max(float(width.max()), 1e-30), width, np.inf)
    scaled = features / scale
    nearest = np.full(len(pool), np.inf)
    if known is not None:
        others = structure_features(potential, known, batch_size) / scale
        nearest = np.array([np.linalg.norm(others - one, axis=1).min() for one in scaled])
    chosen: list[int] = []
    distances = []
    for _ in range(number):
        left = np.ones(len(pool), bool)
        left[chosen] = False
        # Without any that is known the first is the one of the largest spread.
        score = np.where(np.isinf(nearest), spreads, spreads * nearest)
        best = int(np.argmax(np.where(left, score, -1.0)))
        chosen.append(best)
        distances.append(nearest[best])
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[best], axis=1))
    return Selection(np.array(chosen), found, np.array(distances))


def _usual(spreads: StructureSpread) -> KnownSpread:
    return KnownSpread(**{kind: max(float(np.median(one)), 1e-12) for kind, one in spreads.told().items()})


def structure_features(potential: Potential, dataset: Dataset, batch_size: int = 8) -> np.ndarray:
    """The potential's own features of each structure, ``(structures, features)``: means over its atoms.

    Args:
        potential: a network, a set, or a sum that holds one.
        dataset: its labels are not used.
        batch_size: structures evaluated together.

    Raises:
        DataError: for a potential that has no features.
    """
    found: list[np.ndarray] = []
    for batch in Batches(dataset, potential.cutoff, batch_size).in_order():
        sums = np.asarray(_sums(potential, batch.graph), np.float64)
        found.append(sums / np.asarray(batch.atom_counts, np.float64)[:, None])
    return np.concatenate(found)[: len(dataset)]


@eqx.filter_jit
def _sums(potential: Potential, graph: Graph) -> Float[Array, "structures features"]:
    parts = []
    for term in terms_of(potential):
        seen = seen_by(term, graph)
        if isinstance(term, PotentialSet) and not _networks(term[0]):
            local = term.members(seen).atomic_energies
            parts.append(graph.sum_structures((local - local.mean(axis=0)).T))
        else:
            parts += _of_networks(term, graph)
    if not parts:
        raise DataError(
            f"{type(potential).__name__} has no features of its own, by which structures could be told apart; give a "
            "network or a set of potentials."
        )
    return jnp.concatenate(parts, axis=1)


def _of_networks(term: Potential, graph: Graph) -> list[Float[Array, "structures features"]]:
    found = []
    for network in _networks(term):
        seen = seen_by(network, graph)
        found.append(graph.sum_structures(network.energies_and_features(seen)[1]))
    return found


def _networks(potential: Potential) -> list[NeuralPotential]:
    """The networks inside a potential; of a set those of its first member."""
    if isinstance(potential, NeuralPotential):
        return [potential]
    inner = potential[0] if isinstance(potential, PotentialSet) else getattr(potential, "potential", None)
    terms = terms_of(potential) if inner is None else terms_of(inner)
    return [term for term in terms if isinstance(term, NeuralPotential)]
