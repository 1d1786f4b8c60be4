"""The stages of a recipe that is a program, and the artefacts that they leave.

Every stage has a name, from which follow the file or folder of its artefact in the directory of the run and its random
numbers.  A stage that is whole is read, one that was interrupted goes on, and one that was made with other settings is
refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from mdfit.errors import CheckpointError, RecipeError, SimulationError
from mdfit.farm import Farm, run_tasks
from mdfit.recipes.arrays import DELETE, Layout, load_arrays, save_arrays
from mdfit.recipes.figures import FOLDER as FIGURES
from mdfit.recipes.figures import Figure, Plot, write_figure
from mdfit.recipes.metrics import Metric, MetricDocument, Metrics, documents_of, metrics_of
from mdfit.recipes.run_directory import stage_path
from mdfit.recipes.stage_times import StageTimes
from mdfit.storage import Document, fingerprint, read_json, write_json

if TYPE_CHECKING:
    import jax
    import optax

    from mdfit.data import Dataset, Frames
    from mdfit.objectives import Objective
    from mdfit.observables import BlockAverages, Observable
    from mdfit.potentials import Potential
    from mdfit.recipes.comparison import Target
    from mdfit.simulate import Engine, StatePoint, Trajectory
    from mdfit.simulate.samplers import Sampler
    from mdfit.structure import Structure
    from mdfit.training import FitResult

log = logging.getLogger(__name__)

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class Sampling:
    """How long a simulation is, in fs or with a unit.

    Attributes:
        duration: kept.
        equilibrate: dropped before.
        every: between frames.
    """

    duration: str | float
    equilibrate: str | float
    every: str | float


#: The folder of what :meth:`Request.tasks` keeps.
TASKS = "tasks"

#: What :meth:`Request.average` keeps.
_AVERAGES = {
    "averages": Layout(("blocks", "values"), bounds=(-1e300, 1e300)),
    "shape": Layout(("axes",), "i", bounds=(1, 2**31)),
    "weights": Layout(("blocks",), bounds=(1e-300, 1e300)),
    "made_of": Layout((1,), "U"),
}


def _load_averages(path: Path, made: str, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Averages ``(blocks, *shape)`` and weights ``(blocks,)`` that were made of the same as now."""
    kept = load_arrays(path, _AVERAGES)
    _check_same(path, str(kept["made_of"][0]), made)
    shape = tuple(map(int, kept["shape"]))
    if not blocks == shape[0] == len(kept["weights"]) or math.prod(shape) != kept["averages"].size:
        raise CheckpointError(f"{path} is damaged (the averages are not {list(shape)}): {DELETE}")
    return kept["averages"].reshape(shape), kept["weights"]


class StageDocument(Document):
    """The metrics of a stage, and the digest of what they were made of."""

    made_of: str
    metrics: dict[str, MetricDocument]


def read_stage(path: Path) -> StageDocument:
    """A finished stage; those of earlier versions do not tell what they were made of.

    Raises:
        CheckpointError: when the file is damaged.
    """
    kept = read_json(path, StageDocument | dict[str, MetricDocument])
    return StageDocument(made_of="", metrics=kept) if isinstance(kept, dict) else kept


@dataclass(frozen=True)
class Request:
    """What is asked of the recipe, and how it is carried out.

    Attributes:
        scale: one of the recipe's scales.
        seed: of all random numbers.
        out: directory of the run; what is there already need not be done again.
        show_progress: whether to draw progress bars.
        farm: workers for :meth:`tasks`; by default these are done in this process.
    """

    scale: str
    seed: int
    out: Path
    show_progress: bool = True
    farm: Farm = Farm()  # noqa: RUF009 (frozen)

    def seed_of(self, stage: str) -> int:
        """A seed from 0 to 2³¹ − 1 that follows from the name of a stage and the seed of the run."""
        digest = hashlib.sha256(f"{self.seed}/{stage}".encode()).digest()
        return int.from_bytes(digest[:4], "big") >> 1

    def own_seeds(self, number: int) -> range:
        """Seeds of so many repetitions within the run, none of which a run from another seed has."""
        return range(self.seed * number, (self.seed + 1) * number)

    def key(self, stage: str) -> jax.Array:
        """A random key of :meth:`seed_of`."""
        from mdfit.precision import key

        return key(self.seed_of(stage))

    def random_frames(self, stage: str, frames: Frames, number: int) -> list[Structure]:
        """Frames at random, for the starts of chains; each at most once where there are enough."""
        random = np.random.default_rng(self.seed_of(f"frames of {stage}"))
        chosen = random.choice(len(frames), number, replace=len(frames) < number)
        return [frames.structure(frame) for frame in chosen]

    def weighted_frames(self, stage: str, frames: Frames, weights: np.ndarray) -> Frames:
        """Frames of equal weight, drawn by their weights ``(frames,)``: as many as the weighted ones are worth."""
        from mdfit.reweighting import kish_effective_size, systematic_resampling

        logarithms = np.log(weights / weights.sum())
        random = np.random.default_rng(self.seed_of(f"frames of {stage}"))
        return frames.select(systematic_resampling(logarithms, int(kish_effective_size(logarithms)), random))

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time that the block takes to the record of the run."""
        with StageTimes.read(self.out).measure(stage, self.out):
            yield

    def stage(
        self, name: str, make: Callable[[], Metrics], made_of: Any = None, *, exploded: str | None = None
    ) -> Metrics:
        """The metrics that ``make`` gives; once finished, a stage is read instead of done again.

        Args:
            name: of the stage.
            make: what is to be done.
            made_of: settings, potentials or data on which the metrics depend.
            exploded: name of a metric that is 1 when the dynamics explodes, which then is a result and no error, and 0
                when it does not.

        Raises:
            RecipeError: for a name that is no file name.
            CheckpointError: when the stage was finished with another scale or seed, or made of something else.
        """
        path = stage_path(self.out / "stages", f"{name}.json")
        made = self._digest(made_of)
        if not path.exists():
            with self.timed(name):
                metrics = make() if exploded is None else _unless_exploded(make, exploded)
            write_json(path, {"made_of": made, "metrics": documents_of(metrics)})
        kept = read_stage(path)
        _check_same(path, kept.made_of, made)
        return metrics_of(kept.metrics)

    def sweep(
        self, name: str, settings: Iterable[Setting], make: Callable[[Setting], Metrics], made_of: Any = None
    ) -> dict[Setting, Metrics]:
        """The metrics of a :meth:`stage` ``<name>_<setting>`` for each of several settings, seeds for instance."""
        return {setting: self.stage(f"{name}_{setting}", lambda s=setting: make(s), made_of) for setting in settings}

    def tasks(self, name: str, function: Callable[..., Any], tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """:func:`mdfit.farm.run_tasks` on the workers of the run (``mdfit run --workers``), kept in ``tasks/<name>``.

        Args:
            name: of the stage.
            function: a pure function of arrays and settings that returns such, as for :func:`~mdfit.farm.run_tasks`.
            tasks: by name, the keyword arguments of each; random numbers from :meth:`seed_of`, for instance.

        Raises:
            TasksFailed: when some failed, after all others are done.
            FarmError: when the cluster does not answer.
            RecipeError: for a name that is no file name.
            KeyboardInterrupt: after Ctrl-C, which ends the whole recipe; what is done is kept.
        """
        folder = stage_path(self.out / TASKS, name)
        with self.timed(_words(name)), self.farm.executor() as executor:
            return run_tasks(
                function, tasks, executor, keep=folder, title=_words(name), show_progress=self.show_progress
            )

    def train(
        self,
        name: str,
        start: Potential,
        objective: Objective,
        optimizer: optax.GradientTransformation,
        steps: int,
        train_only: Callable[[Potential], Any] | None = None,
        validate_on: Dataset | None = None,
        *,
        fixed: Sequence[int] = (),
    ) -> FitResult:
        """:func:`mdfit.fit` in the directory ``name`` of the run.

        Args:
            name: of the stage.
            start: the potential at the start.
            objective: what is minimised.
            optimizer: any of optax.
            steps: updates.
            train_only: as for :func:`mdfit.fit`.
            validate_on: data that choose the best parameters.
            fixed: instead of ``train_only``: terms of a sum that are not trained, by their place, such as ``[-1]``.

        Raises:
            KeyboardInterrupt: after Ctrl-C, which ends the whole recipe.
            RecipeError: for a name that is no file name, and for both ``fixed`` and ``train_only``.
            CheckpointError: when the training was begun with other settings.
        """
        if fixed and train_only is not None:
            raise RecipeError(
                f"The stage {name} has both fixed and train_only, which contradict each other; give one of them."
            )
        from mdfit.potentials import trainable_except
        from mdfit.training import fit

        directory = stage_path(self.out, name)
        with self.timed(f"train {_words(name)}"):
            return fit(
                start,
                objective,
                optimizer=optimizer,
                steps=steps,
                train_only=(lambda potential: trainable_except(potential, fixed)) if fixed else train_only,
                validate_on=validate_on,
                seed=self.seed_of(name),
                out=directory,
                show_progress=self.show_progress,
            ).unless_interrupted()

    def save(self, name: str, potential: Potential) -> Potential:
        """Keeps a potential as a result of the run, ``<name>.mdfit``."""
        potential.save(stage_path(self.out, f"{name}.mdfit"))
        return potential

    def simulate(
        self,
        name: str,
        system: Any,
        at: StatePoint,
        sampler: Sampler,
        sampling: Sampling,
        *,
        starts: Sequence[Structure] | None = None,
        replicas: int | None = None,
        engine: Engine | None = None,
    ) -> Trajectory:
        """:func:`mdfit.simulate.run` into ``<name>.h5``; there is a replica for each start.

        Raises:
            KeyboardInterrupt: after Ctrl-C, which ends the whole recipe.
            RecipeError: for a name that is no file name.
            CheckpointError: when the simulation was begun with other settings.
            SimulationError: when the dynamics explodes.
        """
        from mdfit.simulate import run

        with self.timed(f"simulate {_words(name)}"):
            return run(
                system,
                at,
                sampler,
                duration=sampling.duration,
                equilibrate=sampling.equilibrate,
                every=sampling.every,
                key=self.key(name),
                replicas=replicas or len(starts or (at,)),
                starts=starts,
                engine=engine,
                out=stage_path(self.out, f"{name}.h5"),
                show_progress=self.show_progress,
            )

    def average(
        self,
        name: str,
        observable: Observable,
        trajectory: Trajectory,
        blocks: int = 10,
        weights: np.ndarray | None = None,
    ) -> BlockAverages:
        """:class:`~mdfit.observables.BlockAverages` of a trajectory, kept in ``averages/<name>.npz``.

        Args:
            name: of the stage.
            observable: what is averaged.
            trajectory: of one or several replicas.
            blocks: into which each replica is cut.
            weights: of the frames, ``(replicas, frames)``, up to a factor; all alike by default.

        Raises:
            RecipeError: for a name that is no file name.
            CheckpointError: when the file is damaged, or was made of something else.
        """
        from mdfit.observables import BlockAverages
        from mdfit.storage import digest

        path = stage_path(self.out / "averages", f"{name}.npz")
        frames = (trajectory.positions, trajectory.cells)
        made = self._digest((observable, blocks, digest(frames if weights is None else (*frames, weights))))
        if not path.exists():
            with self.timed(f"average {_words(name)}"):
                found = BlockAverages.of(observable, trajectory, blocks, weights)
            flat = found.averages.reshape(len(found.averages), -1)
            columns = {"averages": flat, "shape": np.array(found.averages.shape), "weights": found.weights}
            save_arrays(path, columns | {"made_of": np.array([made])})
        return BlockAverages(observable, *_load_averages(path, made, blocks * trajectory.replicas))

    def compare(
        self,
        name: str,
        found: Mapping[str, BlockAverages],
        target: Target,
        x: str,
        y: str,
        *,
        target_label: str = "measured",
        published: Mapping[str, np.ndarray] | None = None,
        beyond: Collection[str] = (),
        x_limits: tuple[float | None, float | None] = (None, None),
    ) -> Metrics:
        """:func:`~mdfit.recipes.comparison.deviations` of curves, which the figure ``name`` shows beside their target.

        Arguments are those of :func:`~mdfit.recipes.comparison.comparison`.
        """
        from mdfit.recipes.comparison import comparison, deviations

        figure = comparison(
            found, target, x, y, target_label=target_label, published=published, beyond=beyond, x_limits=x_limits
        )
        self.draw(name, *figure.plots)
        return deviations(name, found, target)

    def draw(self, name: str, *plots: Plot) -> None:
        """Leaves a figure of one or several plots for the report."""
        write_figure(stage_path(self.out / FIGURES, f"{name}.json"), Figure(plots=plots))

    def _digest(self, made_of: Any) -> str:
        return fingerprint((self.scale, self.seed, made_of))


def _unless_exploded(make: Callable[[], Metrics], name: str) -> Metrics:
    """The metrics, and one that tells whether there are any."""
    try:
        return {name: Metric(0.0, None, ""), **make()}
    except SimulationError as error:
        log.warning("%s: %s", name, error)
        return {name: Metric(1.0, None, "")}


def _check_same(path: Path, before: str, now: str) -> None:
    """Raises CheckpointError when an artefact was made of something else."""
    if before != now:
        raise CheckpointError(
            f"{path} belongs to other settings, data or potentials; run the recipe in another directory, or delete the "
            "file to make it again."
        )


def _words(name: str) -> str:
    return name.replace("_", " ")
