"""``python -m mdfit.cli.reproduction``: runs the recipes of a checkout and writes what they give into their ``results``.

Every figure that is committed comes from here, at one commit.  The same command goes on where it was stopped; runs that
were begun at another commit are refused.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from mdfit.errors import MdfitError, RecipeError
from mdfit.provenance import git_commit
from mdfit.recipes.gallery import gallery
from mdfit.recipes.processes import Job, run_jobs
from mdfit.report import write_seeds_results
from mdfit.storage import write_text

#: Seeds of each recipe, those that take longest first; three where one takes less than half an hour of CPU time.
SEEDS = {
    "alanine_dipeptide": "0",
    "cg_water": "0",
    "cg_water_tip4p2005": "0",
    "diamond": "0",
    "silicon_dft": "0",
    "silicon_fused": "0:3",
    "three_bpa": "0:3",
    "relative_entropy_toys": "0:3",
    "double_well": "0:3",
    "lennard_jones_elastic": "0:3",
}

log = logging.getLogger(__name__)


def main() -> int:
    """Runs the recipes that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="names of folders; all by default")
    parser.add_argument("--scale", default="cpu")
    parser.add_argument("--runs", type=Path, default=Path("runs") / "reproduce", help="directory of the runs")
    parser.add_argument("--jobs", type=int, default=2, help="recipes at a time")
    arguments = parser.parse_args()
    unknown = set(arguments.recipes) - set(SEEDS)
    if unknown:
        parser.error(f"there is no recipe {', '.join(sorted(unknown))}: choose from {', '.join(SEEDS)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        return reproduce(arguments.recipes or list(SEEDS), arguments.scale, arguments.runs, arguments.jobs)
    except (MdfitError, KeyboardInterrupt) as problem:
        log.error("%s", problem)
        return 1


def reproduce(names: list[str], scale: str, runs: Path, jobs: int) -> int:
    """Runs recipes, so many at a time, then writes the results of those that succeeded; 1 when one failed.

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
    failed = run_jobs([_job(name, scale, runs) for name in names if not _whole(name, runs)], jobs, log.info)
    for name in names:
        if _whole(name, runs):
            log.info("%s", write_seeds_results(runs / name, gallery() / name / "results"))
    return 1 if failed else 0


def _whole(name: str, runs: Path) -> bool:
    return (runs / name / "seeds.json").exists()


def _job(name: str, scale: str, runs: Path) -> Job:
    out = str(runs / name)
    command = ("run", str(gallery() / name), "--scale", scale, "--seeds", SEEDS[name], "--out", out)
    return Job(name, (sys.executable, "-m", "mdfit", *command), runs / f"{name}.log")


if __name__ == "__main__":
    sys.exit(main())
