"""Deep ensembles: members that differ in their start and in their data.

B. Lakshminarayanan, A. Pritzel, C. Blundell, NeurIPS 2017, arXiv:1612.01474.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import equinox as eqx
import numpy as np
import optax

from mdfit.errors import TrainingError
from mdfit.farm import run_tasks
from mdfit.models import Model, ModelSet, trainable
from mdfit.objectives import Objective
from mdfit.progress import progress_bar
from mdfit.training import FitResult, fit, has_checkpoint
from mdfit.uncertainty.side_by_side import SideBySide, for_each_member

Variant = Literal["same split", "random splits", "bootstrap"]


@dataclass(frozen=True)
class Ensemble:
    """Trained members.

    Attributes:
        models: the best of each member, by its validation, or the last.
        fits: of each member, or the one of all side by side.

    Example:
        >>> import optax
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import ForceMatching
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.uncertainty import train_ensemble
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> data = [Dataset([LabelledStructure(dimer, energy=energy)]) for energy in (-1.0, -0.9)]
        >>> objectives = [ForceMatching(one, energy=1.0, forces=0.0) for one in data]
        >>> starts = [LennardJones(), LennardJones()]
        >>> ensemble = train_ensemble(starts, objectives, optimizer=optax.sgd(0.1), steps=3, show_progress=False)
        >>> len(ensemble.models), [one.stopped for one in ensemble.fits]
        (2, ['finished', 'finished'])
    """

    models: ModelSet
    fits: tuple[FitResult, ...]


def member_indices(
    number: int, members: int, variant: Variant, validation: float = 0.2, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Which data each member is trained on, and which it is validated on.

    ``"same split"``: all on the same data; ``"random splits"``: each on a split of its own; ``"bootstrap"``: each on as
    many data as there are, drawn with replacement, and validated on those that were not drawn (B. Efron, Ann. Statist. 7, 1
    (1979), doi:10.1214/aos/1176344552).  Only intervals of the last can be expected to hold the truth as often as they say.

    Args:
        number: of data (of groups, where data of one group are no independent ones).
        members: of the ensemble.
        variant: how data differ.
        validation: the part of the data that splits leave for validation.
        seed: of the draws.

    Raises:
        TrainingError: for fewer than two members, another variant, or a part that leaves nothing to train or to validate
            on.
    """
    if members < 2:
        raise TrainingError(f"An ensemble has at least two members, not {members}: one says nothing of its own error.")
    if variant not in get_args(Variant):
        raise TrainingError(f"variant is one of {', '.join(map(repr, get_args(Variant)))}, not {variant!r}.")
    left = round(number * validation)
    if not 1 <= left < number:
        raise TrainingError(
            f"A validation part of {validation} of {number} data leaves none for validation or for training."
        )
    found = []
    for member in range(members):
        random = np.random.default_rng([seed, 0 if variant == "same split" else member])
        if variant == "bootstrap":
            drawn = np.sort(random.integers(number, size=number))
            rest = np.setdiff1d(np.arange(number), drawn)
            # Of one or two data all may be drawn.
            found.append((drawn, rest if len(rest) else drawn))
        else:
            order = random.permutation(number)
            found.append((np.sort(order[left:]), np.sort(order[:left])))
    return found


def train_ensemble(
    starts: Sequence[Model],
    objectives: Sequence[Objective],
    *,
    optimizer: optax.GradientTransformation,
    validate_on: Sequence[Objective] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    validate_every: int = 1,
    average: float | None = None,
    patience: int | None = None,
    train_only: Callable[[Any], Any] | None = None,
    side_by_side: bool = False,
    executor: Executor | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool | Literal["auto"] = "auto",
    show_progress: bool = True,
    configuration: dict[str, Any] | None = None,
    on_record: Callable[[dict[str, Any]], object] = lambda record: None,
) -> Ensemble:
    """Trains a member from each start on an objective of its own.

    Args:
        starts: one model for each member, of one architecture.
        objectives: one for each member.
        optimizer: of every member by itself.
        validate_on: an objective for each member, on data that it is not trained on; the best model of a member is that of
            its lowest loss.
        epochs: see :func:`mdfit.fit`, as for all that is not named here.
        steps: see there.
        validate_every: see there.
        average: see there.
        patience: see there; side by side, training ends when no member has got better for so long.
        train_only: from a member to flags like :func:`mdfit.models.trainable`, to leave the rest as it is.
        side_by_side: all members in one compiled call for each update, which is faster where a single one leaves the device
            idle; their data must then come in batches of the same shapes.
        executor: workers that train several members at a time, such as :func:`mdfit.farm.local_executor`; one after the
            other in this process when left out.
        seed: each member has one of its own.
        out: directory; members that are trained one after the other are in ``member_0`` and so on.
        resume: members that are finished are not trained again; True: at least one must have been begun.
        show_progress: one bar.
        configuration: see :func:`mdfit.fit`.
        on_record: see :func:`mdfit.fit`; with ``executor`` it is called in the workers.

    Raises:
        TrainingError: when numbers do not fit, both ``side_by_side`` and ``executor`` are given, or what :func:`mdfit.fit`
            raises, with the member's number.
        TasksFailed: with ``executor``, when members fail; the others are trained.
        KeyboardInterrupt: after Ctrl-C; the same call goes on where ``out`` is given.
    """
    _check_numbers(starts, objectives, validate_on)
    if side_by_side and executor is not None:
        raise TrainingError(
            "Members are trained side by side in this process, or by workers; leave out one of the two."
        )
    train = partial(
        fit,
        epochs=epochs,
        steps=steps,
        validate_every=validate_every,
        average=average,
        patience=patience,
        resume=resume,
        configuration=configuration,
        on_record=on_record,
    )
    if side_by_side:
        together = None if validate_on is None else SideBySide(validate_on)
        result = train(
            ModelSet.of(starts),
            SideBySide(objectives),
            optimizer=for_each_member(optimizer),
            validate_on=together,
            train_only=None if train_only is None else partial(_flags_of_all, train_only),
            seed=seed,
            out=out,
            show_progress=show_progress,
        ).unless_interrupted()
        return Ensemble(result.model, (result,))
    # Workers may have another working directory.
    places = [None if out is None else Path(out).absolute() / f"member_{index}" for index in range(len(starts))]
    if resume is True and any(place is not None and has_checkpoint(place) for place in places):
        train = partial(train, resume="auto")
    members: dict[str, dict[str, Any]] = {
        f"member_{index}": {
            "model": start,
            "objective": objective,
            "optimizer": optimizer,
            "train_only": train_only,
            "validate_on": None if validate_on is None else validate_on[index],
            "seed": seed + index,
            "out": places[index],
        }
        for index, (start, objective) in enumerate(zip(starts, objectives, strict=True))
    }
    task = partial(_trained, train)
    if executor is not None:
        fits = list(run_tasks(task, members, executor, title="Training members", show_progress=show_progress).values())
        return Ensemble(ModelSet.of([one.model for one in fits]), tuple(fits))
    fits = []
    with progress_bar("Training members", len(starts), show=show_progress) as bar:
        for index, settings in enumerate(members.values()):
            try:
                fits.append(task(**settings))
            except TrainingError as error:
                raise TrainingError(f"Member {index}: {error}") from error
            bar.advance(loss=float(fits[-1].history[-1]["loss"]))
    return Ensemble(ModelSet.of([one.model for one in fits]), tuple(fits))


def _flags_of_all(train_only: Callable[[Any], Any], models: Any) -> Any:
    return eqx.tree_at(lambda one: one.stacked, trainable(models), train_only(models.stacked))


def _trained(train: Callable[..., FitResult], **settings: Any) -> FitResult:
    """One member."""
    return train(**settings, show_progress=False).unless_interrupted()


def _check_numbers(
    starts: Sequence[Model], objectives: Sequence[Objective], validate_on: Sequence[Objective] | None
) -> None:
    if len(starts) < 2:
        raise TrainingError(
            f"An ensemble has at least two members, not {len(starts)}: one says nothing of its own error."
        )
    for name, found in (("objectives", objectives), ("validation objectives", validate_on)):
        if found is not None and len(found) != len(starts):
            raise TrainingError(f"{len(found)} {name} do not belong to {len(starts)} members: one for each.")
