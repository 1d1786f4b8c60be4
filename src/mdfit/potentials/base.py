"""What a potential is, and how potentials add."""

from __future__ import annotations

import abc
import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit import models
from mdfit.errors import ModelFileError, PotentialError, UnknownSpeciesError
from mdfit.graph import Graph, Reads
from mdfit.models import Model, build, trainable
from mdfit.potentials.gradient import Gradient
from mdfit.structure import Structure

#: Of all potentials in files.
UNITS = {"length": "Å", "energy": "eV"}


#: In Å; lists of neighbours of longer range do not fit into memory.
LONGEST_CUTOFF = 1000.0


class Potential(Model):
    """A function from a graph to the energies of its atoms, whose array leaves are its parameters.

    A subclass implements :meth:`atomic_energies`; forces, stress and their derivatives follow from it in
    :func:`mdfit.potentials.evaluate`.  Fields marked ``eqx.field(static=True)`` must be the arguments of the
    constructor, of JSON types, so that the potential can be written to a file and built again.

    Attributes:
        cutoff: in Å; edges beyond it must not change the energy.
        species: the atomic numbers (or bead types) that the potential knows; empty when it takes any.
        reads: what of the graph the energy depends on; by default the edges alone.
        fixed_in_space: true for an external field, which neither moving nor turning everything leaves as it is, and which
            does not follow deformations of the cell.
        many_body: false when the cost per edge is so low that leaving out edges beyond the cutoff does not pay.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.graph import build_graph
        >>> from mdfit.potentials import Potential, evaluate
        >>> class Crowding(Potential):
        ...     cutoff, species = 2.0, ()
        ...     def atomic_energies(self, graph):
        ...         return graph.sum_neighbours((graph.distances() - self.cutoff) ** 2)
        >>> dimer = build_graph(Structure.in_open_space([[0, 0, 0], [0, 0, 1.0]]), cutoff=2.0)
        >>> evaluate(Crowding(), dimer).forces[:, 2].tolist()
        [-4.0, 4.0]
    """

    kind: ClassVar[str] = "potential"
    many_body: ClassVar[bool] = True
    reads: ClassVar[Reads] = Reads()
    fixed_in_space: ClassVar[bool] = False

    if TYPE_CHECKING:
        # A static field or a property of the subclass.
        cutoff: float
        species: tuple[int, ...]

    def __check_init__(self) -> None:
        cutoff = getattr(self, "cutoff", 0.0)
        if not 0 <= cutoff <= LONGEST_CUTOFF:
            raise PotentialError(
                f"{type(self).__name__} has a cutoff of {cutoff} Å: give one between 0 and {LONGEST_CUTOFF:g} Å."
            )

    @abc.abstractmethod
    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        """Energy of each atom in eV; the value for padding atoms is ignored."""
        raise NotImplementedError

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        """Energies of the atoms in eV, zero in padding, and the derivative of their sum by all that the potential reads.

        Forces, strain derivatives and stiffnesses follow from it.  A subclass may give a faster form.

        Raises:
            PotentialError: when the graph does not hold what the potential reads.
        """
        local, gradient, _ = differentiate_with(self, graph, lambda seen: (self.atomic_energies(seen), None))
        return local, gradient

    def __add__(self, other: Potential) -> Sum:
        return Sum((*terms_of(self), *terms_of(other)))

    def header(self) -> dict[str, Any]:
        return {"units": UNITS, "species": list(self.species), "cutoff": self.cutoff}

    def check_header(self, header: dict[str, Any], path: str | Path) -> None:
        units = header.get("units", UNITS)
        if units != UNITS:
            raise ModelFileError(f"{path} is not in Å and eV, as its header says; convert it first.")
        super().check_header({**header, "units": units}, path)

    def check_species(self, species: set[int]) -> None:
        """Raises UnknownSpeciesError when the potential was not made for one of these ``species``."""
        unknown = sorted(species - set(self.species) - {0})
        if self.species and unknown:
            raise UnknownSpeciesError(
                f"The potential knows {_names(self.species)}, but the structure contains {_names(unknown)}; "
                "train on data with these elements or choose another potential."
            )

    def check_structure(self, structure: Structure) -> None:
        """Raises an error that tells what is wrong when the potential has no meaning for a structure.

        Raises:
            UnknownSpeciesError: for a species that the potential was not made for.
            PotentialError: for numbers of atoms that do not fit the topology of bonded terms.
            StructureError: for bonds that are broken.
        """
        self.check_species(set(structure.species.tolist()))


def differentiate_with(
    potential: Potential, graph: Graph, function: Callable[[Graph], tuple[Float[Array, " atoms"], Any]]
) -> tuple[Float[Array, " atoms"], Gradient, Any]:
    """What :meth:`Potential.differentiate` gives, and what ``function`` returns beside the energies of the atoms.

    Args:
        potential: that the energies are of.
        graph: where they are wanted.
        function: from the graph as the potential sees it to its energies of atoms and anything else, in one pass.

    Raises:
        PotentialError: when the graph does not hold what the potential reads.
    """
    seen, arguments = read_by(potential, graph)

    def total(arguments: dict[str, Any]) -> tuple[Float[Array, ""], tuple[Float[Array, " atoms"], Any]]:
        local, beside = function(dataclasses.replace(seen, **arguments))
        local = jnp.where(seen.atom_mask, local, jnp.zeros((), local.dtype))
        return jnp.sum(local), (local, beside)

    (_, (local, beside)), slopes = jax.value_and_grad(total, has_aux=True)(arguments)
    return local, gradient_of(potential, seen, slopes), beside


def read_by(potential: Potential, graph: Graph) -> tuple[Graph, dict[str, Any]]:
    """The graph as a potential sees it, and those of its arrays that the energy is differentiated by.

    Raises:
        PotentialError: when the graph does not hold what the potential reads.
    """
    reads = potential.reads
    seen = graph.only(reads)
    arguments = {"vectors": seen.vectors} if reads.edges else {}
    if reads.positions:
        arguments["positions"] = seen.known_positions()
    if reads.cell:
        arguments["cells"] = seen.known_cells()
    return seen, arguments


def gradient_of(potential: Potential, seen: Graph, slopes: dict[str, Any]) -> Gradient:
    """The gradient whose parts are the derivatives by the arrays of :func:`read_by`."""
    edges, positions = slopes.get("vectors"), slopes.get("positions")
    if edges is not None:
        edges = jnp.where(seen.mask[..., None], edges, jnp.zeros((), edges.dtype))
    if potential.fixed_in_space:
        return Gradient(edges, fixed=positions)
    return Gradient(edges, positions, cells=slopes.get("cells"))


class Sum(Potential):
    """The sum of several potentials, each with its own cutoff.

    Example:
        >>> from mdfit.potentials import ZBL, StillingerWeber
        >>> potential = StillingerWeber.silicon() + ZBL(cutoff="2 Å")
        >>> len(potential.terms), round(potential.cutoff, 3), potential.species
        (2, 3.771, (14,))
    """

    nested: ClassVar[str] = "terms"
    terms: tuple[Potential, ...]

    def __init__(self, terms: tuple[Potential, ...]):
        self.terms = terms

    @property
    def cutoff(self) -> float:  # type: ignore[override]
        return max(term.cutoff for term in self.terms)

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        known = [set(term.species) for term in self.terms if term.species]
        return tuple(sorted(set.intersection(*known))) if known else ()

    @property
    def many_body(self) -> bool:  # type: ignore[override]
        return any(term.many_body for term in self.terms)

    @property
    def reads(self) -> Reads:  # type: ignore[override]
        return functools.reduce(operator.or_, (term.reads for term in self.terms))

    @property
    def fixed_in_space(self) -> bool:  # type: ignore[override]
        return any(term.fixed_in_space for term in self.terms)

    def describe(self) -> dict[str, Any]:
        return {"class": "Sum", "terms": [term.describe() for term in self.terms]}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> Sum:
        return cls(tuple(build(term, path) for term in architecture["terms"]))

    def check_structure(self, structure: Structure) -> None:
        super().check_structure(structure)
        for term in self.terms:
            term.check_structure(structure)

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        energies = [term.atomic_energies(seen_by(term, graph)) for term in self.terms]
        return sum(energies[1:], start=energies[0])

    def differentiate(self, graph: Graph) -> tuple[Float[Array, " atoms"], Gradient]:
        # Term by term, so that pair potentials keep their explicit derivative, and fields stay where they are.
        parts = [term.differentiate(seen_by(term, graph)) for term in self.terms]
        energies, gradients = zip(*parts, strict=True)
        return sum(energies[1:], start=energies[0]), functools.reduce(operator.add, gradients)


def seen_by(term: Potential, graph: Graph) -> Graph:
    """The graph of a sum as one of its terms sees it: edges within its own cutoff, and what it declares to read."""
    return graph.within(term.cutoff).only(term.reads)


def trainable_except(potential: Potential, fixed: Sequence[int]) -> Any:
    """The flags of :func:`trainable`, false in some terms of a sum, such as ``[-1]`` for a prior that comes last.

    Raises:
        PotentialError: when the potential has no such term.
    """
    flags = trainable(potential)
    terms = list(terms_of(flags))
    for place in fixed:
        if not -len(terms) <= place < len(terms):
            raise PotentialError(
                f"There is no term {place} to keep fixed: choose one of 0 to {len(terms) - 1}, or -1 for the last."
            )
        terms[place] = jax.tree.map(lambda _: False, terms[place])
    return Sum(tuple(terms)) if isinstance(potential, Sum) else terms[0]


def terms_of(potential: Potential) -> tuple[Potential, ...]:
    """The terms of a sum, or the potential itself."""
    return potential.terms if isinstance(potential, Sum) else (potential,)


def _names(species: Iterable[int]) -> str:
    from ase.data import chemical_symbols

    known = len(chemical_symbols)
    return ", ".join(chemical_symbols[z] if 0 < z < known else f"type {z}" for z in species)


def load(path: str | Path) -> Potential:
    """The potential of a file; its energies are bitwise those of the saved one on the same machine.

    Raises:
        ModelFileError: see :func:`mdfit.models.load`.
    """
    return models.load(path, Potential)  # type: ignore[type-abstract]
