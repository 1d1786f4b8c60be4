"""What is found out before an hour of training instead of after it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np

from mdfit.data import Dataset
from mdfit.errors import MdfitError, RecipeError, SimulationError, UnknownSpeciesError
from mdfit.graph import neighbor_table
from mdfit.graph.host import check_reach
from mdfit.recipes.building import build_crystal, initial_structure, temperature_of, test_sets
from mdfit.recipes.loading import LoadedRecipe
from mdfit.recipes.schema import SimulationChoice
from mdfit.structure import Structure

log = logging.getLogger(__name__)


def check_inputs(loaded: LoadedRecipe, species: tuple[int, ...]) -> None:
    """Test sets and structures against the elements of the training set, and simulations against their structures.

    Raises:
        UnknownSpeciesError: for an element that the training set lacks.
        RecipeError: for a simulation that its structure does not allow.
        DataError: for test sets that cannot be read, or lack a label to group by.
        NeighborListError: for cells that are too small for the cutoff, or atoms that coincide.
    """
    for name, dataset in test_sets(loaded):
        for key in loaded.recipe.data.groups:
            dataset.groups(key)
        _check_species(f"The test set '{name}'", dataset.species, species)
        check_cutoff(dataset, loaded.recipe.potential.cutoff)
    structures: dict[str, Structure] = {}
    for name, simulation in loaded.recipe.simulations.items():
        try:
            structures[name] = initial_structure(loaded, simulation.structure, structures)
            _check_neighbours(structures[name], loaded.recipe.potential.cutoff)
        except MdfitError as error:
            raise type(error)(f"The simulation '{name}' cannot start: {error}") from error
        _check_species(f"The simulation '{name}'", np.unique(structures[name].species).tolist(), species)
        _check_simulation(name, simulation, structures[name])
    if loaded.recipe.properties is not None:
        crystal = build_crystal(loaded.recipe.properties.crystal)
        _check_species("The crystal of 'properties'", np.unique(crystal.species).tolist(), species)
        _check_neighbours(crystal, loaded.recipe.potential.cutoff)


def check_cutoff(dataset: Dataset, cutoff: float) -> None:
    """Raises NeighborListError when the cutoff in Å reaches more neighbours than lists can hold."""
    for frame in dataset:
        check_reach(frame.structure.positions, frame.structure.cell, frame.structure.periodic, cutoff)


def _check_neighbours(structure: Structure, cutoff: float) -> None:
    """Also finds atoms that coincide."""
    neighbor_table(structure.positions, structure.cell, structure.periodic, cutoff)


def _check_species(what: str, found: Iterable[int], known: tuple[int, ...]) -> None:
    from ase.data import chemical_symbols

    unknown = [chemical_symbols[number] for number in found if number not in known]
    if unknown:
        raise UnknownSpeciesError(
            f"{what} contains {', '.join(unknown)}, but the training set has only "
            f"{', '.join(chemical_symbols[number] for number in known)}; add structures with these elements to it."
        )


def _check_simulation(name: str, simulation: SimulationChoice, structure: Structure) -> None:
    _check_start(name, simulation, structure)
    periodic = bool(structure.periodic.all())
    if simulation.sampler == "NPT" and not periodic:
        raise RecipeError(f"The simulation '{name}' has a pressure, but its structure is not periodic; use Langevin.")
    if simulation.rdf_maximum is None:
        return
    if not periodic:
        raise RecipeError(f"The simulation '{name}' has no volume, so no g(r) is defined; leave out rdf_maximum.")
    limit = _smallest_height(structure.cell) / 2
    if simulation.rdf_maximum > limit:
        raise RecipeError(
            f"The simulation '{name}' asks for g(r) up to {simulation.rdf_maximum:g} Å, but its cell allows "
            f"{limit:.4g} Å, half its smallest height; lower rdf_maximum or repeat the cell."
        )


def _check_start(name: str, simulation: SimulationChoice, structure: Structure) -> None:
    """Whether the velocities and the temperature of a start from a file say the same thing once."""
    if simulation.structure.file is None:
        return
    try:
        temperature_of(simulation, structure)
    except SimulationError as error:
        raise RecipeError(f"The simulation '{name}': {error}") from error
    if simulation.equilibrate == 0 and structure.velocities is None:
        log.warning(
            "The simulation '%s' measures from its first step, although it starts from a frame of %s without velocities: "
            "a frame that is not at equilibrium shifts its averages and, in NVE, its temperature; give 'equilibrate'.",
            name,
            simulation.structure.file,
        )


def _smallest_height(cell: np.ndarray) -> float:
    return float(1 / np.linalg.norm(np.linalg.inv(cell), axis=0).max())
