"""The training loop: one for every objective."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from mdfit.data import Dataset
from mdfit.errors import SimulationError, TrainingError
from mdfit.models import Model, Parameters, trainable
from mdfit.objectives import Evaluation, ForceMatching, Objective, Step
from mdfit.potentials import Potential
from mdfit.progress import Bar, Interrupt, progress_bar, stop_on_interrupt
from mdfit.training.identity import Identity
from mdfit.training.records import EpochMeans, Records, TrainingProgress
from mdfit.training.state import FitState, Update, initial_state, update

log = logging.getLogger(__name__)

#: A step after which the dynamics explodes is halved at most so often.
MOST_RETREATS = 6
#: A smoothed training loss above this multiple of its lowest value counts as diverging.
DIVERGENCE_FACTOR = 1e3


@dataclass(frozen=True)
class FitResult:
    """The outcome of a training run.

    Attributes:
        model: with the best parameters (those of the lowest validation loss, or the last ones).
        last: with the last parameters.
        history: one record per epoch: step, loss, metrics, validation.
        before: the record of the validation before the first update; empty without validation.
        objective_state: what the objective carries at the end (frames of simulations, samples of chains).
        stopped: why training ended: ``"finished"``, ``"early stopping"`` or ``"interrupted"``.
        out: the run's directory, when one was given.

    Example:
        >>> import optax
        >>> from mdfit import Structure, fit
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import ForceMatching
        >>> from mdfit.potentials import LennardJones
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> objective = ForceMatching(Dataset([LabelledStructure(dimer, energy=-1.0)]), energy=1.0, forces=0.0)
        >>> result = fit(LennardJones(), objective, optimizer=optax.sgd(0.1), steps=2, show_progress=False)
        >>> result.stopped, [round(record["loss"], 4) for record in result.history]
        ('finished', [0.003, 0.0012])
    """

    model: Any
    last: Any
    history: list[dict[str, Any]]
    stopped: str
    out: Path | None
    before: dict[str, Any] = field(default_factory=dict)
    objective_state: Any = None

    @property
    def potential(self) -> Potential:
        """``model``, where a potential was trained.

        Raises:
            TrainingError: for another model.
        """
        if not isinstance(self.model, Potential):
            raise TrainingError(f"{type(self.model).__name__} is no potential; the trained model is result.model.")
        return self.model

    def unless_interrupted(self) -> FitResult:
        """Itself, for programs that do something with the outcome, which should not be that of half a training.

        Raises:
            KeyboardInterrupt: when the training was stopped by Ctrl-C.
        """
        if self.stopped == "interrupted":
            raise self.interruption()
        return self

    def interruption(self) -> KeyboardInterrupt:
        """What ends a program whose training was interrupted."""
        where = "The training" if self.out is None else f"The training in {self.out}"
        return KeyboardInterrupt(f"{where} was interrupted.")


def fit(
    model: Model,
    objective: Objective,
    *,
    optimizer: optax.GradientTransformation,
    epochs: int | None = None,
    steps: int | None = None,
    validate_on: Dataset | Objective | None = None,
    validate_every: int = 1,
    average: float | None = None,
    patience: int | None = None,
    train_only: Callable[[Any], Any] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool | Literal["auto"] = "auto",
    checkpoint_seconds: float = 60.0,
    show_progress: bool = True,
    configuration: dict[str, Any] | None = None,
    on_record: Callable[[dict[str, Any]], object] = lambda record: None,
) -> FitResult:
    """Minimises an objective over the parameters of a model, such as a potential.

    Args:
        model: where to start.
        objective: what to minimise, for instance ``ForceMatching(train)``.
        optimizer: any optax optimiser; schedules count updates, clipping is ``optax.chain(optax.clip_by_global_norm..)``.
        epochs: passes over the data; or give ``steps``.
        steps: updates.
        validate_on: labelled structures, or an objective on data of its own, for validation; the best model is that of the
            lowest validation loss.  An objective that simulates does so at each validation.
        validate_every: epochs between validations.
        average: decay of an exponential moving average of the parameters, say 0.999; it is what is validated and kept.
        patience: stop after so many validations without a better one.
        train_only: from a model to a tree of flags like :func:`mdfit.models.trainable`, to freeze parts.
        seed: of the order of the data.
        out: directory for checkpoints, log and the fitted model.
        resume: ``"auto"`` goes on from the checkpoint in ``out``, if there is one, else begins; True: there must be one;
            False: there must be none.  The loss history is that of an uninterrupted run.  A training goes on only as it
            was begun: the same data, objective, optimiser, start and version of mdfit, for the same or a larger number of
            updates; one that is finished is returned.
        checkpoint_seconds: wall time between checkpoints within an epoch; there is one after every epoch, too.
        show_progress: a progress bar with the losses and the time left.
        configuration: written to ``run.json`` (a recipe, say).
        on_record: is given each record as it is made, for instance ``wandb.log``; when it raises, so does the training.

    Ctrl-C ends the training after the present update; the result is what there is, marked as ``"interrupted"``.

    Raises:
        KeyboardInterrupt: after SIGTERM; a checkpoint has been written.
        TrainingError: when the loss is not finite or diverges; the last good state is in ``out``.
        SimulationError: when a simulation of the objective explodes at the start, or still does after most of the last
            update has been taken back; the last good state is in ``out``.
        CheckpointError: when there is a checkpoint of another run, or none or one against ``resume``.
        OutputError: when ``out`` cannot be written, holds other files of these names, or another process writes there.
    """
    total = _total_steps(objective, epochs, steps)
    run = _Run(model, objective, optimizer, validate_on, validate_every, average, patience, train_only, seed)
    records = None if out is None else Records(out, run.identity, configuration, checkpoint_seconds)
    with contextlib.nullcontext() if records is None else records.writing():
        if records is not None:
            run.progress = records.start(run.progress, resume)
        stopped = _train(run, total, records, show_progress, on_record)
    directory = None if records is None else records.directory
    progress = run.progress
    result = FitResult(
        run.best_model(),
        run.last_model(),
        progress.history,
        stopped.reason,
        directory,
        progress.before,
        progress.state.objective,
    )
    if stopped.terminated:
        raise result.interruption()
    return result


@dataclass(frozen=True)
class _Stopped:
    """Why training ended, and whether the process is to end."""

    reason: str
    terminated: bool


@dataclass(frozen=True)
class _Outlets:
    """Where records go: the display, the files of the run, and a function of the user."""

    bar: Bar
    records: Records | None
    on_record: Callable[[dict[str, Any]], object]

    def tell(self, record: dict[str, Any], run: _Run) -> None:
        if "validation_loss" in record or run.validation is None:
            self.bar.note(record)
        if self.records is not None:
            self.records.note(record, run.progress)
        self.on_record(record)


def _train(
    run: _Run, total: int, records: Records | None, show_progress: bool, on_record: Callable[[dict[str, Any]], object]
) -> _Stopped:
    whole = run.progress.stopped is not None and (run.step >= total or run.exhausted())
    reason = "early stopping" if run.exhausted() else "finished"
    if records is not None and not whole:
        records.begin(run.progress)
    with progress_bar("Training", total, run.step, show_progress) as bar, stop_on_interrupt() as interrupt:
        outlets = _Outlets(bar, records, on_record)
        if run.step == 0 and run.judge_start():
            outlets.tell(run.progress.before, run)
        while run.step < total and reason == "finished":
            try:
                reason = _epoch(run, total, outlets, interrupt)
            except (TrainingError, SimulationError):
                if records is not None:
                    records.save_models(run.best_model(), run.last_model(), run.step)
                    records.finish(run.progress, "failed")
                raise
    if records is not None and not (whole and records.complete):
        # Models first: a run that is marked as finished has them.
        records.save_models(run.best_model(), run.last_model(), run.step)
        records.finish(run.progress, reason)
    return _Stopped(reason, interrupt.terminated)


def _epoch(run: _Run, total: int, outlets: _Outlets, interrupt: Interrupt) -> str:
    """Updates up to the end of the epoch, then validation; says whether and why training stops."""
    length = run.objective.steps_per_epoch
    end = min(run.step - run.step % length + length, total)
    while run.step < end:
        loss = run.advance()
        outlets.bar.advance(loss=loss)
        if interrupt.requested and run.step < end:
            return "interrupted"
        if outlets.records is not None and run.step < end:
            outlets.records.checkpoint_when_due(run.progress)
    outlets.tell(run.close_epoch(last=end == total), run)
    if run.exhausted():
        return "early stopping"
    # An epoch that is complete is recorded before the training stops.
    return "interrupted" if interrupt.requested and run.step < total else "finished"


class _Run:
    """A training run: what it is made of, and its progress."""

    def __init__(
        self,
        model: Model,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        validate_on: Dataset | Objective | None,
        validate_every: int,
        average: float | None,
        patience: int | None,
        train_only: Callable[[Any], Any] | None,
        seed: int,
    ):
        flags = trainable(model) if train_only is None else train_only(model)
        self.identity = Identity.of(
            model, flags, objective, optimizer, validate_on, (validate_every, patience, average, seed)
        )
        trained, self.fixed = eqx.partition(model, flags)
        if not jax.tree.leaves(trained):
            raise TrainingError("No parameter of this model is trainable; check train_only.")
        self.objective, self.optimizer, self.decay = objective, optimizer, average
        self.validation = _validation_objective(objective, validate_on)
        self.validate_every, self.patience = validate_every, patience
        if self.validation is not None and not self.validation.validates:
            raise TrainingError(
                f"{type(self.validation).__name__} cannot validate, since only changes of its loss have a meaning; "
                "validate on labelled structures or on another objective."
            )
        if patience is not None and self.validation is None:
            raise TrainingError("Early stopping needs validation data; give validate_on or leave out patience.")
        trained = jax.tree.map(jnp.asarray, trained)
        start = objective.initial_state(seed, Parameters(trained, self.fixed))
        shape = () if self.validation is None else self.validation.validation_shape
        self.progress = TrainingProgress(initial_state(trained, optimizer, start, shape), EpochMeans(), [])

    @property
    def step(self) -> int:
        return int(self.progress.state.step)

    def best_model(self) -> Any:
        state = self.progress.state
        judged = self.validation is not None and bool(jnp.all(jnp.isfinite(state.best_loss)))
        return eqx.combine(state.best if judged else state.average, self.fixed)

    def last_model(self) -> Any:
        return eqx.combine(self.progress.state.average, self.fixed)

    def exhausted(self) -> bool:
        return self.patience is not None and int(self.progress.state.stale) >= self.patience

    def advance(self) -> float:
        """One update; when it is refused, the one before, which led there, is taken back."""
        evaluation, objective_state = self._evaluate()
        state = self.progress.state
        parameters = Parameters(state.parameters, self.fixed)
        done = update(state, evaluation, self.optimizer, self.decay)
        try:
            _refuse_bad(done, evaluation, self.step)
        except TrainingError:
            if self.step > 0:
                self.progress.state = state.without_last_step()
            raise
        fraction = self.objective.step_fraction(parameters, done.parameters, objective_state)
        done = done.shortened(state, fraction, self.decay)
        self.progress.state = done.apply_to(state, objective_state)
        self.progress.means.add(evaluation)
        return float(evaluation.loss)

    def _evaluate(self) -> tuple[Evaluation | Step, Any]:
        """The objective at the present parameters; when they make the dynamics explode, the last step is halved.

        Raises:
            SimulationError: when the start explodes, or a small part of the last step still does.
        """
        for attempt in range(MOST_RETREATS + 1):
            state = self.progress.state
            try:
                return self.objective.evaluate(Parameters(state.parameters, self.fixed), state.objective)
            except SimulationError as error:
                if self.step == 0:
                    raise
                if attempt == MOST_RETREATS:
                    self.progress.state = state.without_last_step()
                    raise
                log.warning("After update %d: %s Half of the update is taken back.", self.step, error)
                self.progress.state = state.retreated()
        raise AssertionError("the loop returns or raises")

    def judge_start(self) -> bool:
        """Validates the start, unless that is done; whether it was now.  It is no candidate for the best model."""
        if self.validation is None or self.progress.before:
            return False
        self.progress.before = {"step": 0, "epoch": 0, **self._validate(self.progress.state)[1]}
        return True

    def close_epoch(self, last: bool) -> dict[str, Any]:
        """Validation and the record of the epoch; keeps the best parameters."""
        state = self.progress.state
        epoch = -(-self.step // self.objective.steps_per_epoch)
        record: dict[str, Any] = {"step": self.step, "epoch": epoch, **self.progress.means.means()}
        if self.validation is not None and (epoch % self.validate_every == 0 or last):
            losses, validated = self._validate(state)
            record |= validated
            state = state.judged(losses)
        self.progress.state = state
        self.progress.means = EpochMeans()
        self.progress.history.append(record)
        return record

    def _validate(self, state: FitState) -> tuple[np.ndarray, dict[str, float]]:
        """Loss, or that of each member, and what goes into the record."""
        assert self.validation is not None
        losses, found = self.validation.validate(eqx.combine(state.average, self.fixed))
        if not np.isfinite(losses).all():
            raise TrainingError(_advice(f"The validation loss is {losses} at step {self.step}"))
        return np.asarray(losses), {"validation_loss": float(np.mean(losses)), **found}


def _validation_objective(objective: Objective, validate_on: Dataset | Objective | None) -> Objective | None:
    """What validates: the objective on the validation set, with the weights of the training."""
    if not isinstance(validate_on, Dataset):
        return validate_on
    return objective.on(validate_on) or ForceMatching.of_labels(validate_on)


def _refuse_bad(done: Update, evaluation: Evaluation | Step, step: int) -> None:
    if not bool(done.finite):
        what = "loss" if not math.isfinite(float(evaluation.loss)) else "gradient"
        raise TrainingError(_advice(f"The {what} is not finite at step {step}"))
    # Losses that may be negative, such as relative entropies up to a constant, have no scale to compare with.
    if step > 100 and float(done.smoothed) > DIVERGENCE_FACTOR * float(done.lowest) > 0:
        raise TrainingError(_advice(f"The loss diverges: at step {step} it is {float(done.smoothed):.3g}"))


def _advice(what: str) -> str:
    return (
        f"{what}; the last good state is kept. Try a smaller learning rate or gradient clipping, and run `mdfit check` "
        "on the data for outliers and overlapping atoms."
    )


def _total_steps(objective: Objective, epochs: int | None, steps: int | None) -> int:
    if (epochs is None) == (steps is None):
        raise TrainingError("Give either epochs or steps, not both and not neither.")
    total = steps if steps is not None else (epochs or 0) * objective.steps_per_epoch
    if total < 1:
        raise TrainingError(f"Training needs at least one step, not {total}.")
    return total
