"""Small results of a recipe that was run from several seeds: those of the first one, and the spread of all."""

from __future__ import annotations

from pathlib import Path

from mdfit.recipes.metrics import Metric
from mdfit.recipes.seeds import SEEDS, SeedsDocument, read_seeds, seed_folder
from mdfit.report.results import write_results
from mdfit.report.script_files import is_script_run
from mdfit.report.script_results import write_script_results
from mdfit.report.tables import number
from mdfit.storage import write_json, write_text


def write_run_results(run: str | Path, to: str | Path) -> Path:
    """:func:`write_results` or :func:`write_script_results`, whichever a run needs."""
    return (write_script_results if is_script_run(Path(run)) else write_results)(run, to)


def write_seeds_results(directory: str | Path, to: str | Path) -> Path:
    """Writes the results of the first seed, ``seeds.json``, and a table of all seeds into ``run.md``.

    Args:
        directory: that holds the runs.
        to: directory for the results.

    Returns:
        The path of ``run.md``.

    Raises:
        RecipeError: a run is not complete.
        CheckpointError: the record of the seeds is damaged.
        OutputError: when the results cannot be written, or other files are in their place.
    """
    document = read_seeds(directory)
    path = write_run_results(seed_folder(Path(directory), document.seeds[0]), to)
    write_json(Path(to) / SEEDS, document.model_dump())
    write_text(path, path.read_text(encoding="utf-8") + "\n".join(["", *seeds_lines(document), ""]))
    return path


def seeds_lines(document: SeedsDocument) -> list[str]:
    """A table of the metrics over all seeds in Markdown."""
    seeds = ", ".join(map(str, document.seeds))
    lines = [
        f"## Seeds {seeds}",
        "",
        "Mean over the seeds, and the standard deviation of a single one.",
        f"Commits: {', '.join(document.commits)}. CPU seconds of each seed: {', '.join(map(str, document.cpu_seconds))}.",
        "",
        "| metric | mean | spread | of each seed | unit |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in document.metrics.items():
        spread = Metric(one.mean, one.spread, "")
        mean, _, deviation = number(spread).partition(" ± ")
        values = ", ".join(f"{value:.4g}" for value in one.values)
        lines.append(f"| `{name}` | {mean} | {deviation or '0'} | {values} | {one.unit} |")
    return lines
