"""Small results of a run to keep under version control: metrics, key plots, and where they come from."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from mdfit.errors import CheckpointError, OutputError, RecipeError
from mdfit.recipes.metric_lines import warning_lines
from mdfit.recipes.metrics import MetricDocument, Metrics, write_metrics
from mdfit.recipes.potential_errors import UNCERTAIN
from mdfit.recipes.run_directory import begun
from mdfit.recipes.seeds import SEEDS, SeedsDocument
from mdfit.report.figures import Panel, save_row
from mdfit.report.plots_accuracy import parity_panels, reliability_panels
from mdfit.report.plots_learning import learning_panels
from mdfit.report.plots_properties import equation_of_state_panels
from mdfit.report.plots_simulation import rdf_panel
from mdfit.report.recipe_page import seeds
from mdfit.report.run_files import RunFiles, read_run
from mdfit.report.tables import duration, number
from mdfit.storage import Document, read_json, remedy, write_json, write_text

log = logging.getLogger(__name__)

#: The record by which results are known.
PROVENANCE = "provenance.json"
#: In bytes; larger models stay in the run.
LARGEST_MODEL = 1_000_000


def save_small_plots(directory: str | Path, to: str | Path) -> list[Path]:
    """Writes learning curves, parity plots, radial distribution functions and the equation of state of a run as PNGs.

    Args:
        directory: of the run.
        to: directory for the plots, made when missing; each file is below 100 kB.

    Returns:
        The paths of the plots.

    Raises:
        RecipeError: when ``directory`` holds no run.
        OutputError: when the plots cannot be written.
    """
    return _save_plots(read_run(directory), Path(to))


def write_results(directory: str | Path, to: str | Path) -> Path:
    """Writes the metrics, the small plots, the potential, ``provenance.json`` and a readable ``run.md`` of a complete run.

    Returns:
        The path of ``run.md``.

    Raises:
        RecipeError: when ``directory`` holds no run, or one that is not complete.
        OutputError: when the results cannot be written, or other files are in their place.
    """
    run, to = read_run(directory), Path(to)
    if not run.complete:
        raise RecipeError(
            f"The run in {directory} is not complete: it has no metrics.json; `mdfit resume {directory}`."
        )
    check_target(to)
    document = provenance(run)
    # First, since it tells what the others are.
    write_json(to / PROVENANCE, document)
    write_metrics(to / "metrics.json", run.metrics)
    plots = _save_plots(run, to)
    models = {"potential.mdfit": Path("fit") / "best.mdfit", UNCERTAIN: Path(UNCERTAIN)}
    copy_models([(Path(directory) / path, name) for name, path in models.items()], to)
    write_text(to / "run.md", summary(run.loaded.recipe.title, document, run.metrics, plots))
    return to / "run.md"


def copy_models(models: Iterable[tuple[Path, str]], to: Path) -> None:
    """Copies small models under other names; links could lead to what nobody wants to publish.

    Raises:
        OutputError: when they cannot be written.
    """
    try:
        for path, name in models:
            if not path.is_file() or path.is_symlink():
                continue
            if path.stat().st_size < LARGEST_MODEL:
                shutil.copyfile(path, to / name)
            else:
                log.warning("%s has %d kB and stays in the run.", path, path.stat().st_size // 1000)
    except OSError as error:
        raise OutputError(f"Could not write {to}: {error.strerror or error}; {remedy(error)}.") from error


def check_target(to: Path) -> None:
    """Results may replace earlier results, but nothing else.

    Raises:
        OutputError: the directory holds a run, or files of such names that are no results.
    """
    if begun(to):
        raise OutputError(f"{to} holds a run; choose another directory for its results.")
    kinds = ("metrics.json", "run.md", PROVENANCE, SEEDS, "*.png", "*.mdfit")
    there = sorted(path for kind in kinds for path in to.glob(kind))
    records = {PROVENANCE: _Provenance, "metrics.json": dict[str, MetricDocument], SEEDS: SeedsDocument}
    foreign = [path for path in there if path.name in records and not _is(path, records[path.name])]
    if there and PROVENANCE not in {path.name for path in there}:
        foreign = there
    if foreign:
        raise OutputError(f"{foreign[0]} is there already, and no result of mdfit; choose another directory.")


class _Provenance(Document):
    """By what ``provenance.json`` is known, also that of an earlier version."""

    model_config = ConfigDict(extra="allow")

    command: Any
    seeds: Any


def _is(path: Path, schema: Any) -> bool:
    try:
        read_json(path, schema)
    except CheckpointError:
        return False
    return True


def _save_plots(run: RunFiles, to: Path) -> list[Path]:
    unit = run.loaded.recipe.force_unit
    rows: dict[str, list[Panel]] = {"learning_curves": learning_panels(run)[:3]}
    rows |= {f"parity_{name}": parity_panels(name, test, unit) for name, test in run.tests.items()}
    rows |= {f"rdf_{name}": [rdf_panel(name, arrays)] for name, arrays in run.simulations.items() if "rdf" in arrays}
    for name, test in run.tests.items():
        rows |= {f"reliability_{name}_{kind}": panels for kind, panels in reliability_panels(name, test).items()}
    rows["equation_of_state"] = equation_of_state_panels(run.loaded.recipe.properties, run.properties)
    paths = []
    for name, panels in rows.items():
        if panels:
            paths.append(to / f"{name}.png")
            save_row(panels, paths[-1])
    return paths


def provenance(run: RunFiles) -> dict[str, Any]:
    """Command, seeds, date, machine, versions, wall and CPU times; without paths of the machine."""
    return {
        "command": command(run),
        "scale": run.loaded.scale,
        "seeds": seeds(run),
        "seconds": run.times.document(),
        **run.environment,
    }


def command(run: RunFiles) -> str:
    """The command that repeats a run, from the root of the repository."""
    scale = "" if run.loaded.scale is None else f" --scale {run.loaded.scale}"
    seed = f" --seed {run.loaded.seed}" if run.loaded.seed else ""
    minutes = "" if run.loaded.minutes is None else f" --minutes {run.loaded.minutes:g}"
    return f"mdfit run recipes/{run.loaded.directory.name}{scale}{seed}{minutes}"


def summary(title: str, document: dict[str, Any], metrics: Metrics, figures: list[Path]) -> str:
    """A readable account of a run: where it comes from, its metrics and figures.

    Args:
        title: heading.
        document: provenance of the run.
        metrics: its numbers.
        figures: PNG files beside the account.
    """
    machine, seconds = document.get("machine", {}), document["seconds"]
    lines = [
        f"# {title}",
        "",
        f"- command: `{document['command']}`",
        f"- date: {document.get('date', 'unknown')}",
        f"- machine: {machine.get('processor', 'unknown')}, {machine.get('cores', '?')} cores, "
        f"{', '.join(machine.get('devices', [])) or 'devices unknown'}",
        f"- mdfit {document.get('mdfit', '?')}, commit {document.get('git_commit') or 'unknown'}",
        f"- wall times: {_times(seconds['wall'])}",
        f"- CPU times: {_times(seconds['cpu'])}",
        "- seeds: " + ", ".join(f"{name} {seed}" for name, seed in document["seeds"].items()),
        "",
        "| metric | value | unit |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {number(metric)} | {metric.unit} |" for name, metric in metrics.items()),
        *(line for warning in warning_lines(metrics) for line in ("", f"{warning}.")),
        *(line for figure in figures for line in ("", f"![{figure.stem.replace('_', ' ')}]({figure.name})")),
    ]
    return "\n".join(lines) + "\n"


def _times(seconds: dict[str, float]) -> str:
    return ", ".join(f"{stage} {duration(time)}" for stage, time in seconds.items()) or "unknown"
