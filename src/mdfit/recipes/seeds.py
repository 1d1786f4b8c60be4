"""One recipe from several seeds: a run of each, and what their numbers say together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import ConfigDict, Field

from mdfit.errors import OutputError, RecipeError
from mdfit.farm import Farm, TasksFailed, run_mdfit, run_tasks
from mdfit.recipes.loading import load_recipe, load_resolved
from mdfit.recipes.metrics import Metrics, read_metrics
from mdfit.recipes.run_directory import begun, check_links, commits_of
from mdfit.recipes.runner import check_same_recipe
from mdfit.recipes.script import check_belongs, is_script, load_script
from mdfit.recipes.stage_times import StageTimes
from mdfit.storage import Document, Seconds, read_json, write_json

#: The record of several seeds in the directory that holds their runs.
SEEDS = "seeds.json"


class SpreadDocument(Document):
    """A metric over several seeds.

    Attributes:
        values: of each seed.
        unit: of the values.
        reference: what was measured, or is known otherwise.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    values: Annotated[list[float], Field(min_length=1)]
    unit: str
    reference: float | None = None

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation of one seed, of n − 1 degrees of freedom."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")


class SeedsDocument(Document):
    """``seeds.json``.

    Attributes:
        seeds: one for each run, in the folder ``seed_<n>``.
        metrics: by name; those that every run has.
        commits: of mdfit that have worked on the runs, which should be one.
        cpu_seconds: of each run.
    """

    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**32)]], Field(min_length=1)]
    metrics: dict[str, SpreadDocument]
    commits: list[str] = Field(default_factory=list)
    cpu_seconds: list[Seconds] = Field(default_factory=list)


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"0:3"`` is 0, 1 and 2; ``"4"`` and ``"1,5"`` name them.

    Raises:
        RecipeError: for anything else, no seeds, or one that is named twice.
    """
    try:
        first, colon, last = text.partition(":")
        seeds = tuple(range(int(first), int(last))) if colon else tuple(int(part) for part in text.split(","))
    except ValueError:
        seeds = ()
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32 or len(set(seeds)) < len(seeds):
        raise RecipeError(f"The seeds are {text!r}: give a range like 0:3 (0, 1 and 2), or numbers like 1,5,7.")
    return seeds


def seed_folder(out: Path, seed: int) -> Path:
    """Where the run of a seed is."""
    return out / f"seed_{seed}"


def run_seeds(
    recipe: Path,
    scale: str | None,
    seeds: Sequence[int],
    out: Path,
    farm: Farm = Farm(),  # noqa: B008 (frozen)
    tell: Callable[[str], object] = lambda line: None,
    show_progress: bool = False,
) -> SeedsDocument:
    """Runs a recipe from several seeds; goes on with those that were interrupted, and keeps those that are whole.

    Args:
        recipe: its file or folder.
        scale: one of the recipe's; None for its usual one.
        seeds: of the runs.
        out: directory of their directories.
        farm: workers, each of which runs one seed at a time in a process of its own; those of a cluster read the recipe and
            write ``out`` under the same paths as this process.
        tell: is given a line when a run is done.
        show_progress: whether to draw a bar of the runs, with the time left.

    Raises:
        RecipeError: when a run failed, or belongs to another recipe; what the others have done is kept.
        OutputError: ``out`` is a run itself, or holds seeds that are not asked for, or other content and no run of a seed.
        CheckpointError: it holds a ``seeds.json`` that is none.
        UntrustedError: a link in it leads elsewhere.
        FarmError: the cluster does not answer.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """
    _check_target(out, seeds)
    whole = [seed for seed in seeds if (seed_folder(out, seed) / "metrics.json").exists()]
    for seed in whole:
        _check_belongs(seed_folder(out, seed), recipe, scale, seed)
    waiting = [seed for seed in seeds if seed not in whole]
    tasks = {f"{recipe.name} seed {seed}": _inputs(recipe, scale, seed, out) for seed in waiting}
    try:
        with farm.executor() as executor:
            run_tasks(
                run_mdfit,
                tasks,
                executor,
                title="Seeds",
                show_progress=show_progress,
                on_result=lambda name, _: tell(f"{name}: done"),
            )
    except TasksFailed as problem:
        told = "; ".join(f"{name} {str(error).rstrip('.')}" for name, error in problem.failures.items())
        raise RecipeError(
            f"{len(problem.failures)} of {len(seeds)} runs failed: {told}. The same command goes on."
        ) from problem
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt("Interrupted; the same command goes on.") from stop
    folders = [seed_folder(out, seed) for seed in seeds]
    document = together({s: read_metrics(f / "metrics.json") for s, f in zip(seeds, folders, strict=True)}).model_copy(
        update={
            "commits": list(dict.fromkeys(commit for folder in folders for commit in commits_of(folder))),
            "cpu_seconds": [round(sum(StageTimes.read(folder).cpu.values()), 1) for folder in folders],
        }
    )
    write_json(out / SEEDS, document.model_dump())
    return document


def _check_target(out: Path, seeds: Sequence[int]) -> None:
    """Raises when ``out`` is neither new nor the directory of earlier runs of these seeds."""
    if begun(out):
        raise OutputError(f"{out} is a run; choose another directory for several seeds.")
    own = {seed_folder(out, seed).name for seed in seeds}
    others = sorted({path.name for path in out.glob("seed_*") if path.is_dir()} - own)
    if others:
        raise OutputError(f"{out} holds {', '.join(others)}, too; name all seeds, or choose another directory.")
    if not any(begun(out / name) for name in own):
        # A run that was killed before it had begun leaves its folder and its log.
        expected = own | {_log(out, seed).name for seed in seeds}
        foreign = sorted(path.name for path in out.glob("*") if path.name not in expected)
        if foreign:
            raise OutputError(
                f"{out} is not empty (it holds {foreign[0]}) and has no run of a seed; choose a new or an empty directory."
            )
    elif (out / SEEDS).exists():
        read_seeds(out)
    check_links(out, "Remove it, or choose another directory.")


def _check_belongs(run: Path, recipe: Path, scale: str | None, seed: int) -> None:
    if is_script(recipe):
        check_belongs(run, load_script(recipe), scale, seed)
    else:
        check_same_recipe(load_resolved(run), load_recipe(recipe, scale, seed), run)


def _inputs(recipe: Path, scale: str | None, seed: int, out: Path) -> dict[str, Any]:
    """Of :func:`~mdfit.farm.run_mdfit`."""
    folder = seed_folder(out, seed).absolute()
    arguments = ["run", str(recipe.absolute()), "--seed", str(seed), "--out", str(folder), "--resume", "--quiet"]
    arguments += [] if scale is None else ["--scale", scale]
    return {"arguments": arguments, "log": str(_log(out, seed).absolute())}


def _log(out: Path, seed: int) -> Path:
    return out / f"seed_{seed}.log"


def together(runs: dict[int, Metrics]) -> SeedsDocument:
    """The metrics of several seeds side by side."""
    first = next(iter(runs.values()))
    shared = [name for name in first if all(name in metrics for metrics in runs.values())]
    spreads = {
        name: SpreadDocument(
            values=[metrics[name].value for metrics in runs.values()],
            unit=first[name].unit,
            reference=first[name].reference,
        )
        for name in shared
    }
    return SeedsDocument(seeds=list(runs), metrics=spreads)


def read_seeds(directory: str | Path) -> SeedsDocument:
    """What several seeds gave.

    Raises:
        CheckpointError: when the record is missing or damaged.
    """
    document: SeedsDocument = read_json(
        Path(directory) / SEEDS, SeedsDocument, "restore a copy of it, or delete it and run the seeds again."
    )
    return document


def seeds_table(document: SeedsDocument) -> str:
    """One line per metric: name, mean and spread of a seed, unit."""
    width = max((len(name) for name in document.metrics), default=0)
    lines = [f"{name:<{width}}  {one.mean:.4g} ± {one.spread:.2g} {one.unit}" for name, one in document.metrics.items()]
    return "\n".join([f"mean and spread over the seeds {', '.join(map(str, document.seeds))}", *lines])
