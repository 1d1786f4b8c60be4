"""From the sections of a recipe to the objects that they describe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import optax
from jax.typing import DTypeLike

from mdfit import registry
from mdfit.data import Dataset, read
from mdfit.errors import RecipeError
from mdfit.objectives import ForceMatching
from mdfit.potentials import ZBL, Potential
from mdfit.precision import DOUBLE, SINGLE, cast, key
from mdfit.recipes.importing import import_file
from mdfit.recipes.loading import LoadedRecipe
from mdfit.recipes.schema import (
    HELD_OUT,
    NETWORKS,
    Crystal,
    Data,
    Optimizer,
    PotentialChoice,
    Recipe,
    SimulationChoice,
    StructureChoice,
    Training,
)
from mdfit.simulate import StatePoint, sampler_of, start_temperature
from mdfit.simulate.samplers import Sampler
from mdfit.structure import Structure, read_structure


def read_data(loaded: LoadedRecipe, file: str) -> Dataset:
    """A data file of the recipe with its label keys."""
    data: Data = loaded.recipe.data
    return read(loaded.path(file), data.energy_key, data.forces_key, data.stress_key, data.virial_key)


def training_files(loaded: LoadedRecipe) -> tuple[Dataset, ...]:
    """The file to train on and, when the recipe names one, the file to validate on."""
    data = loaded.recipe.data
    return tuple(read_data(loaded, file) for file in (data.train, data.validation) if file is not None)


def split_training(loaded: LoadedRecipe, files: tuple[Dataset, ...]) -> tuple[Dataset, Dataset]:
    """Training and validation set from :func:`training_files`, without what is held out for testing."""
    data = loaded.recipe.data
    kept, _ = _held_out(loaded, files[0])
    if len(files) == 2:
        return kept, files[1]
    return kept.split(1 - data.validation_fraction, seed=data.split_seed, group=data.group)


def test_sets(loaded: LoadedRecipe) -> Iterator[tuple[str, Dataset]]:
    """Test sets with their names, read one by one: what is held out, then files, thinned out as the recipe says."""
    data = loaded.recipe.data
    if data.test_fraction is not None:
        held_out = _held_out(loaded, read_data(loaded, data.train))[1]
        assert held_out is not None
        yield HELD_OUT, held_out
    for name, file in data.tests.items():
        dataset = read_data(loaded, file)
        yield name, dataset.select(range(0, len(dataset), data.test_every))


def _held_out(loaded: LoadedRecipe, dataset: Dataset) -> tuple[Dataset, Dataset | None]:
    """The file to train on without what is held out, and what is held out."""
    data = loaded.recipe.data
    if data.test_fraction is None:
        return dataset, None
    return dataset.split(1 - data.test_fraction, seed=data.split_seed, group=data.group)


def number_format(recipe: Recipe) -> DTypeLike:
    """The floating-point format that the recipe asks for."""
    return DOUBLE if recipe.precision == "float64" else SINGLE


def build_potential(recipe: Recipe, train: Dataset) -> Potential:
    """The untrained potential."""
    potential = _build_potential(recipe.potential, train)
    return cast(potential, DOUBLE) if recipe.precision == "float64" else potential


def _build_potential(choice: PotentialChoice, train: Dataset) -> Potential:
    sizes = {"channels": choice.channels, "layers": choice.layers, "radial_functions": choice.radial_functions}
    arguments = sizes if choice.kind in NETWORKS else choice.arguments
    kind = potential_class(choice)
    given = {"dataset": train, "cutoff": choice.cutoff, "key": key(choice.seed), **arguments}
    network: Potential = registry.call(kind.for_data, f"{choice.kind}.for_data", given, RecipeError)
    return network + ZBL() if "ZBL" in choice.add else network


def potential_class(choice: PotentialChoice) -> Any:
    """The class of the network, of mdfit, of an installed package, or of a file that has been imported.

    Raises:
        RecipeError: when there is none of this name, or it is not made from a training set.
    """
    kind = registry.find(choice.kind, Potential, "potential", RecipeError)  # type: ignore[type-abstract]
    if not hasattr(kind, "for_data"):
        raise RecipeError(
            f"{choice.kind} cannot be made for training data: give it a class method for_data(dataset, cutoff, key, ...), "
            f"or choose {' or '.join(NETWORKS)}."
        )
    return kind


def import_potential(loaded: LoadedRecipe) -> None:
    """Imports the file that defines the potential of a recipe, when it names one.

    Raises:
        RecipeError: when it cannot be imported, or does not define the class.
    """
    choice = loaded.recipe.potential
    if choice.file is not None:
        import_file(loaded.path(choice.file))
    potential_class(choice)


def build_objective(recipe: Recipe, train: Dataset) -> ForceMatching:
    """The training objective."""
    training: Training = recipe.training
    return ForceMatching(
        train,
        energy=training.energy,
        forces=training.forces,
        stress=training.stress,
        batch_size=training.batch_size,
        loss=training.loss,
        huber_delta=training.huber_delta,
        dtype=number_format(recipe),
    )


def build_optimizer(choice: Optimizer, steps: int) -> optax.GradientTransformation:
    """The optimiser with its schedule over ``steps`` updates."""
    rate, end = choice.learning_rate, choice.learning_rate * choice.final_fraction
    warmup = min(choice.warmup_steps, steps // 2)
    decay = max(steps - warmup, 1)
    after = {
        "cosine": lambda: optax.cosine_decay_schedule(rate, decay, choice.final_fraction),
        "exponential": lambda: optax.exponential_decay(rate, decay, max(choice.final_fraction, 1e-6), end_value=end),
        "constant": lambda: optax.constant_schedule(rate),
    }[choice.schedule]()
    schedule = optax.join_schedules([optax.linear_schedule(0.0, rate, max(warmup, 1)), after], [warmup])
    core = {
        "adam": lambda: optax.adam(schedule),
        "adamw": lambda: optax.adamw(schedule, weight_decay=choice.weight_decay),
        "amsgrad": lambda: optax.amsgrad(schedule),
        "sgd": lambda: optax.sgd(schedule),
    }[choice.kind]()
    return core if choice.clip is None else optax.chain(optax.clip_by_global_norm(choice.clip), core)


def build_crystal(choice: Crystal) -> Structure:
    """A crystal; cubic lattices in their conventional cell.

    Raises:
        RecipeError: when ASE does not know the element, or cannot build the lattice.
        StructureError: for more atoms than were probably meant.
    """
    from ase.build import bulk

    cubic = choice.lattice in ("diamond", "fcc", "bcc")
    try:
        atoms = bulk(choice.element, choice.lattice, a=choice.a, cubic=cubic)
    except (KeyError, ValueError, RuntimeError) as error:
        raise RecipeError(
            f"ASE cannot build {choice.lattice} {choice.element} with a = {choice.a:g} Å ({error}); check element and "
            "lattice."
        ) from error
    return Structure.from_ase(atoms).repeat(choice.repeat)


def initial_structure(loaded: LoadedRecipe, choice: StructureChoice, ends: Mapping[str, Structure]) -> Structure:
    """Where a simulation starts.

    Args:
        loaded: the recipe.
        choice: of its simulation.
        ends: the last structures of the simulations above it.
    """
    if choice.crystal is not None:
        return build_crystal(choice.crystal)
    if choice.end_of is not None:
        return ends[choice.end_of]
    assert choice.file is not None
    return read_structure(loaded.path(choice.file), choice.index)


def build_state_point(simulation: SimulationChoice, structure: Structure) -> StatePoint:
    """Where a simulation runs; without a temperature, at that of the velocities it starts with."""
    return StatePoint(structure, temperature_of(simulation, structure), simulation.pressure)


def temperature_of(simulation: SimulationChoice, structure: Structure) -> float:
    """The temperature in K at which a simulation starts.

    Raises:
        SimulationError: when it would be ignored, or is missing.
    """
    # Several replicas draw their velocities.
    start = structure if simulation.replicas == 1 else structure.replace(velocities=None)
    return start_temperature(start, build_sampler(simulation), simulation.temperature)


def build_sampler(simulation: SimulationChoice) -> Sampler:
    """The integrator of a simulation."""
    return sampler_of(simulation.sampler, simulation.timestep, simulation.friction)
