"""The part of a recipe that tells how sure its potential is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mdfit.data import Dataset
from mdfit.errors import MdfitError, RecipeError
from mdfit.potentials import KnownSpread, LastLayer, Potential, StructureSpread, known_spread, load
from mdfit.recipes.metrics import Metric, Metrics
from mdfit.recipes.schema import Training, Uncertainty

if TYPE_CHECKING:
    from mdfit.observables import Observable
    from mdfit.potentials import PotentialSet
    from mdfit.simulate import Trajectory
    from mdfit.uncertainty import UncertainEstimate

#: Of the directory of a run.
UNCERTAIN = "uncertain.mdfit"
#: Of the validation structures a hundredth lies beyond; a simulation with more than this part is told of.
MANY_BEYOND = 0.05


@dataclass(frozen=True)
class LastLayerData:
    """What the uncertainty of the last layer is found from.

    Attributes:
        train: what the potential is trained on.
        validation: other structures.
        kinds: the labels that are trained on; others stay out, because the potential does not know them.
    """

    train: Dataset
    validation: Dataset
    kinds: tuple[str, ...]

    @classmethod
    def of(cls, training: Training, train: Dataset, validation: Dataset) -> LastLayerData:
        """Of the parts of the data and the weights of the labels."""
        from mdfit.uncertainty.last_layer import labels_of

        weights = {"energy": training.energy, "forces": training.forces, "stress": training.stress}
        kinds = tuple(name for name in labels_of(train) if weights[name])
        return cls(_with_labels(train, kinds), _with_labels(validation, kinds), kinds)

    def check(self, untrained: Potential) -> None:
        """Finds out before the training what would be refused after it.

        Raises:
            RecipeError: too few structures to validate on.
            PotentialError, TrainingError: see :func:`mdfit.uncertainty.last_layer`.
        """
        from mdfit.uncertainty.known_spread import FEWEST_STRUCTURES
        from mdfit.uncertainty.last_layer import check_last_layer

        if len(self.validation) < FEWEST_STRUCTURES:
            raise RecipeError(
                f"{len(self.validation)} structures to validate on do not tell how large errors are: 'uncertainty' needs "
                f"{FEWEST_STRUCTURES} or more; raise data.validation_fraction, or leave 'uncertainty' out."
            )
        check_last_layer(untrained, self.train, self.validation, self.kinds)

    def uncertain(self, trained: Potential, show_progress: bool) -> Potential:
        """The potential that knows its spread; labels are expected to err as they do on the structures to validate on."""
        from mdfit.uncertainty import last_layer, with_known_spread

        found = last_layer(trained, self.train, self.validation, show_progress=show_progress)
        return with_known_spread(found, self.validation)


def _with_labels(dataset: Dataset, kinds: tuple[str, ...]) -> Dataset:
    """Without the labels of other kinds."""
    frames = [
        replace(
            frame,
            energy=frame.energy if "energy" in kinds else None,
            forces=frame.forces if "forces" in kinds else None,
            stress=frame.stress if "stress" in kinds else None,
        )
        for frame in dataset
    ]
    return Dataset(tuple(frames))


def scale_metrics(potential: LastLayer) -> Metrics:
    """By what spreads of the posterior were multiplied to have the size of errors on the validation data."""
    units = {"forces": "1/Å"} if potential.force_spread == "cheap" else {}
    scales = {kind: float(scale) for kind, scale in potential.scales._asdict().items() if np.isfinite(scale)}
    return {f"uncertainty/{kind}_scale": Metric(scale, None, units.get(kind, "")) for kind, scale in scales.items()}


def uncertain_potential(data: LastLayerData, trained: Potential, directory: Path, show_progress: bool) -> Potential:
    """The potential with its uncertainty, made once and kept in the directory of the run."""
    path = directory / UNCERTAIN
    if not path.is_file():
        data.uncertain(trained, show_progress).save(path)
    return load(path)


@dataclass(frozen=True, eq=False)
class PotentialErrors:
    """What tells the potential's error of simulations and static properties.

    Attributes:
        members: potentials that the data allow.
        known: up to which spread the data know a structure.
    """

    members: PotentialSet
    known: KnownSpread

    @classmethod
    def of(cls, choice: Uncertainty | None, potential: Potential) -> PotentialErrors | None:
        """As a recipe asks for; of the posterior as it is where there are no energies to calibrate draws by."""
        if choice is None:
            return None
        assert isinstance(potential, LastLayer)
        known = known_spread(potential)
        assert known is not None
        scale = None if np.isfinite(potential.scales.energy) else 1.0
        return cls(potential.sample(choice.members, choice.seed, scale), known)

    def of_simulation(
        self, observables: Sequence[Observable], trajectory: Trajectory
    ) -> tuple[dict[str, UncertainEstimate], str]:
        """By the names of the observables, from frames of the mean, weighted for every member; and why there are none."""
        from mdfit.uncertainty import estimate_reweighted, member_weights

        if trajectory.ensemble == "NVE":
            return (
                {},
                "the potential's error is not known, since frames at constant energy have no weights for other members",
            )
        frames = member_weights(self.members, trajectory)
        if not frames.sound:
            reason = next(iter(frames.problems.values()))
            return (
                {},
                f"the potential's error is not known, since the frames cannot be weighted for all members ({reason})",
            )
        return {one.name: one for one in estimate_reweighted(observables, frames)}, ""

    def beyond_known(self, name: str, trajectory: Trajectory) -> Metrics:
        """The part of the frames that spread further than what the data know."""
        from mdfit.simulate.trajectory import SPREADS
        from mdfit.uncertainty import times_known

        untold = np.full_like(trajectory.potential_energies, np.nan)
        told = {kind: getattr(trajectory, name) for kind, name in SPREADS.items()}
        spreads = StructureSpread(**{kind: untold if one is None else one for kind, one in told.items()})
        part = float(np.mean(times_known(spreads, self.known) > 1))
        warning = "the simulation leaves what the data know" if part > MANY_BEYOND else ""
        return {f"{name}/frames_beyond_known": Metric(100 * part, None, "%", warning)}

    def of_properties(self, calculate: Callable[[Potential], Metrics], own: Metrics) -> Metrics:
        """Static properties of the mean with their deviations over the members; those that have none are counted."""
        found: list[Metrics] = []
        failed = 0
        for member in self.members:
            try:
                found.append(calculate(member))
            except MdfitError:
                failed += 1
        warning = f"{failed} of {len(self.members)} members have no such property" if failed else ""
        if len(found) < 2:
            return {name: replace(metric, warning=warning) for name, metric in own.items()}
        spreads = {name: float(np.std([one[name].value for one in found], ddof=1)) for name in own}
        return {name: replace(metric, warning=warning, potential_error=spreads[name]) for name, metric in own.items()}
