"""Carrying out a recipe: data, training, tests, simulations, properties, metrics, report."""

from __future__ import annotations

import logging
import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdfit.data import Dataset
from mdfit.errors import CheckpointError, DataError, RecipeError, UntrustedError
from mdfit.graph.batches import Batches
from mdfit.objectives.accuracy import Accuracy
from mdfit.potentials import LastLayer, Potential, knows_spread
from mdfit.precision import key
from mdfit.recipes.arrays import save_arrays
from mdfit.recipes.budget import plan_epochs
from mdfit.recipes.building import (
    build_objective,
    build_optimizer,
    build_potential,
    build_sampler,
    build_state_point,
    import_potential,
    initial_structure,
    number_format,
    split_training,
    test_sets,
    training_files,
)
from mdfit.recipes.loading import LoadedRecipe, check_files, check_unchanged, load_resolved
from mdfit.recipes.metrics import Metrics, accuracy_metrics, spread_metrics, write_metrics
from mdfit.recipes.potential_errors import LastLayerData, PotentialErrors, scale_metrics, uncertain_potential
from mdfit.recipes.preflight import check_cutoff, check_inputs
from mdfit.recipes.run_directory import RESOLVED, check_links, environment_of, note_commit, run_directory
from mdfit.recipes.schema import SimulationChoice
from mdfit.recipes.simulation_metrics import simulation_metrics
from mdfit.recipes.stage_times import StageTimes
from mdfit.recipes.static_metrics import static_metrics
from mdfit.simulate import JaxMD, Trajectory, run
from mdfit.simulate.restart import restart_path
from mdfit.storage import write_json, write_text
from mdfit.training import FitResult, accuracy, fit, measure_pace
from mdfit.uncertainty import LabelSpread, label_spread

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutcome:
    """What a finished recipe gives."""

    directory: Path
    potential: Potential
    metrics: Metrics


def run_recipe(
    loaded: LoadedRecipe, out: str | Path, *, resume: bool = False, show_progress: bool = True
) -> RunOutcome:
    """Carries out a recipe in the directory ``out``.

    Stages that an interrupted run has finished are not repeated when resuming.

    Raises:
        OutputError: when ``out`` already holds a run that is not to be resumed or anything else, or cannot be written.
        RecipeError: when the run in ``out`` belongs to another recipe.
        KeyboardInterrupt: after Ctrl-C, when the checkpoint has been written.
        MdfitError: whatever the stages raise.
    """
    out = Path(out)
    with run_directory(out, RESOLVED, resume) as goes_on:
        if goes_on:
            before = load_resolved(out)
            check_same_recipe(before, loaded, out)
            check_files(before)
        else:
            loaded.write(out)
        note_commit(out)
        stages = _Stages(loaded, out, show_progress)
        potential = stages.train()
        metrics = stages.test(potential)
        metrics |= stages.simulate(potential)
        metrics |= stages.properties(potential)
        write_metrics(out / "metrics.json", metrics)
        stages.write_run_record()
    return RunOutcome(out, potential, metrics)


def check_same_recipe(before: LoadedRecipe, now: LoadedRecipe, out: Path) -> None:
    """Raises RecipeError when the recipe of the run in ``out`` says something else than one does now."""
    different = before.differences(now)
    if different:
        raise RecipeError(
            f"The run in {out} belongs to a recipe that says something else ({', '.join(different[:5])}); run this one in "
            "another directory."
        )


def resume_run(directory: str | Path, show_progress: bool = True, *, trust: bool = False) -> RunOutcome:
    """Goes on with a run that was interrupted or killed.

    Args:
        directory: of the run.
        show_progress: whether to draw progress bars.
        trust: whether to import the Python file that the recipe names, and to write where links in the directory lead.

    Raises:
        RecipeError: when the directory holds no run, or its recipe was edited.
        UntrustedError: when the recipe names a Python file, or a link leads out of the directory.
        CheckpointError: when its checkpoint is damaged, or its data or the version of mdfit have changed.
    """
    loaded = load_resolved(directory)
    check_unchanged(loaded)
    if not trust:
        program = loaded.recipe.potential.file
        if program is not None:
            raise UntrustedError(
                f"The recipe of {directory} takes its potential from {loaded.path(program)}; resuming runs that program. "
                f"If you trust it: mdfit resume {shlex.quote(str(directory))} --trust"
            )
        check_links(Path(directory))
    return run_recipe(loaded, directory, resume=True, show_progress=show_progress)


class _Stages:
    """The stages of a run, each of which can be resumed."""

    def __init__(self, loaded: LoadedRecipe, out: Path, show_progress: bool):
        self.loaded, self.recipe, self.out, self.show_progress = loaded, loaded.recipe, out, show_progress
        self.times = StageTimes.read(out)
        import_potential(loaded)

    def train(self) -> Potential:
        directory = self.out / "fit"
        files = training_files(self.loaded)
        self._refuse_errors(files)
        train, validation = split_training(self.loaded, files)
        check_inputs(self.loaded, train.species)
        data = None
        if self.recipe.uncertainty is not None:
            data = LastLayerData.of(self.recipe.training, train, validation)
            data.check(build_potential(self.recipe, train))
        log.info("Training on %d structures, validating on %d", len(train), len(validation))
        with self._timed("training"):
            trained = self._fit(directory, train, validation).unless_interrupted().potential
        if data is None:
            return trained
        with self._timed("uncertainty"):
            return uncertain_potential(data, trained, self.out, self.show_progress)

    def _fit(self, directory: Path, train: Dataset, validation: Dataset) -> FitResult:
        training = self.recipe.training
        objective, untrained = build_objective(self.recipe, train), build_potential(self.recipe, train)
        epochs = plan_epochs(
            self.out,
            training,
            objective.steps_per_epoch,
            lambda: measure_pace(
                untrained,
                objective,
                optimizer=build_optimizer(training.optimizer, 1000),
                validate_on=validation,
                average=training.average,
            ),
        )
        if training.minutes is not None:
            log.info("%d epochs in %g minutes", epochs, training.minutes)
        try:
            return fit(
                untrained,
                objective,
                optimizer=build_optimizer(training.optimizer, epochs * objective.steps_per_epoch),
                epochs=epochs,
                validate_on=validation,
                validate_every=training.validate_every,
                average=training.average,
                patience=training.patience,
                seed=training.seed,
                out=directory,
                show_progress=self.show_progress,
                configuration=self.loaded.document(),
            )
        except CheckpointError as error:
            message = f"{error} Without one, delete {directory} to train again from the start."
            raise CheckpointError(message) from error

    def test(self, potential: Potential) -> Metrics:
        metrics = scale_metrics(potential) if isinstance(potential, LastLayer) else {}
        for name, dataset in test_sets(self.loaded):
            log.info("Testing on %s: %d structures", name, len(dataset))
            with self._timed(f"test {name}"):
                batches = Batches(dataset, potential.cutoff, 8, number_format(self.recipe))
                spread = label_spread(potential, dataset, batches=batches) if knows_spread(potential) else None
                errors = accuracy(potential, dataset, batches=batches) if spread is None else spread.accuracy
            metrics |= accuracy_metrics(name, errors, self.recipe.force_unit, dataset.composition())
            metrics |= {} if spread is None else spread_metrics(name, spread)
            _save_accuracy(self.out / "tests" / f"{name}.npz", errors, dataset, self.recipe.data.groups, spread)
        return metrics

    def simulate(self, potential: Potential) -> Metrics:
        metrics: Metrics = {}
        trajectories: dict[str, Trajectory] = {}
        errors = PotentialErrors.of(self.recipe.uncertainty, potential)
        for name, simulation in self.recipe.simulations.items():
            log.info("Simulating %s", name)
            with self._timed(f"simulation {name}"):
                trajectories[name] = self._simulate(name, simulation, potential, trajectories)
            metrics |= simulation_metrics(name, simulation, trajectories[name], self.out / "simulations", errors)
        return metrics

    def _simulate(
        self, name: str, simulation: SimulationChoice, potential: Potential, earlier: dict[str, Trajectory]
    ) -> Trajectory:
        path = self.out / "simulations" / f"{name}.h5"
        ends = {before: trajectory.structure(-1) for before, trajectory in earlier.items()}
        structure = initial_structure(self.loaded, simulation.structure, ends)
        try:
            return run(
                potential,
                build_state_point(simulation, structure),
                build_sampler(simulation),
                duration=simulation.duration,
                every=simulation.every,
                equilibrate=simulation.equilibrate,
                replicas=simulation.replicas,
                key=key(simulation.seed),
                engine=JaxMD(dtype=self.recipe.precision),
                out=path,
                show_progress=self.show_progress,
            )
        except CheckpointError as error:
            message = f"{error} To simulate again from the start, delete {path} and {restart_path(path)}."
            raise CheckpointError(message) from error

    def properties(self, potential: Potential) -> Metrics:
        if self.recipe.properties is None:
            return {}
        log.info("Static properties")
        with self._timed("properties"):
            errors = PotentialErrors.of(self.recipe.uncertainty, potential)
            return static_metrics(self.recipe.properties, potential, self.out, errors)

    def write_run_record(self) -> None:
        seconds, environment = self.times.document(), environment_of(self.out)
        document = {"seconds": seconds, "recipe": self.loaded.document(), "environment": environment}
        write_json(self.out / "run.json", document)

    def _refuse_errors(self, files: tuple[Dataset, ...]) -> None:
        for dataset in files:
            check_cutoff(dataset, self.recipe.potential.cutoff)
        # Before the split, so that frames have the numbers that they have in the file.
        reports = [dataset.check(self.recipe.potential.cutoff) for dataset in files]
        write_text(self.out / "data_check.txt", "\n".join(f"{report}\n" for report in reports))
        for what, report in zip(("training", "validation"), reports, strict=False):
            if report.errors:
                message = report.errors[0].message
                raise DataError(f"The {what} data have errors: {message} (see {self.out}/data_check.txt)")
            for finding in report.warnings:
                log.warning("%s", finding.message)

    def _timed(self, name: str) -> AbstractContextManager[None]:
        return self.times.measure(name, self.out)


def _save_accuracy(
    path: Path, errors: Accuracy, dataset: Dataset, groups: list[str], spread: LabelSpread | None = None
) -> None:
    """Labels, predictions and spreads for the report, with the group labels of every frame."""
    labels = {f"group_{key}": np.array([str(f.info.get(key, "")) for f in dataset]) for key in groups}
    arrays = {
        name: getattr(errors, name)
        for name in ("energy", "forces", "stress", "force_species", "energy_frames", "force_frames", "stress_frames")
    }
    spreads = (
        {} if spread is None else {f"{name}_spread": getattr(spread, name) for name in ("energy", "forces", "stress")}
    )
    save_arrays(path, arrays | labels | spreads)
