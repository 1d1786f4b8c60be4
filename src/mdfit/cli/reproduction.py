"""``python -m mdfit.cli.reproduction``: runs the recipes of a checkout and writes what they give into their ``results``.

Every figure that is committed comes from here, at one commit.  The same command goes on where it was stopped; runs that
were begun at another commit are refused.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mdfit.errors import MdfitError, RecipeError
from mdfit.farm import Farm, TasksFailed, run_mdfit, run_tasks
from mdfit.provenance import git_commit
from mdfit.recipes.gallery import gallery
from mdfit.report import write_seeds_results
from mdfit.storage import write_text

#: Seeds of each recipe, those that take longest first; three where one takes less than half an hour of CPU time, and where
#: trainings are known to differ.
SEEDS = {
    "alanine_dipeptide": "0:3",
    "cg_water_uncertainty": "0",
    "silicon_uncertainty": "0",
    "cg_water": "0",
    "cg_water_tip4p2005": "0",
    "diamond": "0",
    "silicon_dft": "0",
    "silicon_fused": "0:3",
    "three_bpa": "0:3",
    "uncertainty_toys": "0:3",
    "argon_posterior": "0",
    "relative_entropy_toys": "0:3",
    "double_well": "0:3",
    "lennard_jones_elastic": "0:3",
}

log = logging.getLogger(__name__)


@click.command()
@click.argument("recipes", nargs=-1, type=click.Choice(list(SEEDS)))
@click.option("--scale", default="cpu", show_default=True)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs") / "reproduce", show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Recipes at a time.")
def main(recipes: tuple[str, ...], scale: str, runs: Path, workers: int) -> None:
    """Run RECIPES, all by default, and write their results."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        failed = reproduce(recipes or tuple(SEEDS), scale, runs, workers)
    except (MdfitError, KeyboardInterrupt) as problem:
        raise click.ClickException(str(problem)) from problem
    sys.exit(1 if failed else 0)


def reproduce(names: Sequence[str], scale: str, runs: Path, workers: int) -> list[str]:
    """Runs recipes, so many at a time, then writes the results of those that succeeded; returns those that failed.

    Raises:
        RecipeError: files differ from the commit, or the runs were begun at another one.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """
    commit = git_commit() or "unknown"
    if commit.endswith("+changes"):
        raise RecipeError(
            "Files differ from the commit: commit or put them back, so that the results belong to one commit."
        )
    runs.mkdir(parents=True, exist_ok=True)
    begun = runs / "commit.txt"
    before = begun.read_text(encoding="utf-8").strip() if begun.exists() else commit
    if before != commit:
        raise RecipeError(f"{runs} was begun at another commit ({before}): check it out, or remove {runs}.")
    write_text(begun, f"{commit}\n")
    failed = _run({name: _inputs(name, scale, runs) for name in names if not _whole(name, runs)}, Farm(workers))
    for name in names:
        if _whole(name, runs):
            log.info("%s", write_seeds_results(runs / name, gallery() / name / "results"))
    return failed


def _whole(name: str, runs: Path) -> bool:
    return (runs / name / "seeds.json").exists()


def _run(tasks: dict[str, dict[str, Any]], farm: Farm) -> list[str]:
    """Runs recipes and logs their ends; returns the names of those that failed."""
    try:
        with farm.executor() as executor:
            run_tasks(
                run_mdfit,
                tasks,
                executor,
                title="Recipes",
                show_progress=sys.stderr.isatty(),
                on_result=lambda name, _: log.info("%s: done", name),
            )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(f"{stop} The same command goes on.".strip()) from stop
    except TasksFailed as problem:
        for name, error in problem.failures.items():
            log.error("%s %s", name, error)
        return list(problem.failures)
    return []


def _inputs(name: str, scale: str, runs: Path) -> dict[str, Any]:
    """Of :func:`~mdfit.farm.run_mdfit`."""
    command = [
        "run",
        str(gallery() / name),
        "--scale",
        scale,
        "--seeds",
        SEEDS[name],
        "--out",
        str(runs.absolute() / name),
    ]
    return {"arguments": command, "log": str(runs.absolute() / f"{name}.log")}


if __name__ == "__main__":
    main()
