"""The report of a run as one self-contained HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdfit.report.figures import Panel, Picture, picture
from mdfit.report.plots_accuracy import element_panel, group_panel, parity_panels
from mdfit.report.plots_learning import learning_panels
from mdfit.report.plots_properties import equation_of_state_panels
from mdfit.report.plots_simulation import simulation_panels
from mdfit.report.published import published_table
from mdfit.report.run_files import RunFiles, TestErrors, read_run
from mdfit.report.tables import (
    Table,
    element_errors,
    element_table,
    group_table,
    metric_sections,
    readable,
    time_table,
)
from mdfit.storage import write_text

#: The report's name within its run.
REPORT = "report.html"


@dataclass(frozen=True)
class Section:
    """A titled part of the page: pictures and tables, each table with a heading."""

    title: str
    pictures: list[Picture]
    tables: list[tuple[str, Table]]
    text: str = ""


def write_report(directory: str | Path) -> Path:
    """Writes ``report.html`` into the directory of a run, also of one that has not finished.

    Returns:
        The path of the report.

    Raises:
        RecipeError: when the directory holds no run.
        OutputError: when the report cannot be written.
    """
    run = read_run(directory)
    path = run.directory / REPORT
    write_text(path, _render(run))
    return path


def _render(run: RunFiles) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mdfit", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    metrics = metric_sections(run)
    return environment.get_template("report.html.j2").render(
        recipe=run.loaded.recipe,
        scale=run.loaded.scale,
        status=status(run),
        metrics=metrics,
        with_reference=any(row.reference for rows in metrics.values() for row in rows),
        readable=readable,
        sections=[section for section in _sections(run) if section.pictures or section.tables],
        data_check=run.data_check,
        yaml=recipe_as_yaml(run),
        provenance=provenance_rows(run),
    )


def status(run: RunFiles) -> str:
    """What is missing, in a sentence; empty for a complete run."""
    if run.complete:
        return ""
    if run.training_status in ("finished", "early stopping"):
        return "This run is not complete: the training has ended, the results that follow it are not all there."
    epochs = run.history[-1]["epoch"] if run.history else 0
    return f"This run is not complete: {epochs} of {run.loaded.recipe.training.epochs} epochs of training are done."


def _sections(run: RunFiles) -> list[Section]:
    unit = run.loaded.recipe.force_unit
    published = published_table(run)
    recipe = run.loaded.recipe
    sections = [Section("Learning curves", _pictures(learning_panels(run)), [])]
    sections += [_test_section(name, test, unit) for name, test in run.tests.items()]
    if published is not None:
        text = "Root-mean-square errors; energies per structure. Empty: not reported, or not part of this run."
        sections.append(Section("Published errors", [], [("", published)], text))
    for name, arrays in run.simulations.items():
        panels = simulation_panels(name, recipe.simulations[name], arrays)
        sections.append(Section(f"Simulation: {name}", _pictures(panels), [], simulation_text(run, name)))
    panels = equation_of_state_panels(recipe.properties, run.properties)
    sections.append(Section("Equation of state", _pictures(panels), []))
    times = [("", time_table(run.times))] if run.times.wall else []
    return [*sections, Section("Times", [], times)]


def _test_section(name: str, test: TestErrors, unit: str) -> Section:
    panels = parity_panels(name, test, unit)
    tables = []
    if len(test.accuracy.forces):
        panels += element_panel(name, element_errors(test, unit), unit)
        tables.append(("Force errors by element", element_table(test, unit)))
    for key in test.groups:
        panels += group_panel(name, key, test, unit)
        tables.append((f"Errors by {key}", group_table(key, test, unit)))
    return Section(f"Test errors: {name}", _pictures(panels), tables)


def _pictures(panels: list[Panel]) -> list[Picture]:
    return [picture(panel) for panel in panels]


def simulation_text(run: RunFiles, name: str) -> str:
    """The conditions of a simulation in a sentence."""
    simulation = run.loaded.recipe.simulations[name]
    parts = [
        simulation.sampler
        if simulation.temperature is None
        else f"{simulation.sampler} at {simulation.temperature:g} K",
        "" if simulation.pressure is None else f"{simulation.pressure:g} bar",
        f"{simulation.duration / 1e3:g} ps",
        "" if simulation.equilibrate == 0 else f"after {simulation.equilibrate / 1e3:g} ps of equilibration",
        f"time step {simulation.timestep:g} fs",
        "" if simulation.replicas == 1 else f"{simulation.replicas} replicas",
    ]
    return ", ".join(part for part in parts if part) + "."


def recipe_as_yaml(run: RunFiles) -> str:
    """The resolved recipe."""
    import yaml

    document = run.loaded.recipe.model_dump(mode="json")
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def seeds(run: RunFiles) -> dict[str, int]:
    """Every seed of a run by what it decides."""
    recipe = run.loaded.recipe
    fixed = {
        "split of the data": recipe.data.split_seed,
        "initial parameters": recipe.potential.seed,
        "order of the data": recipe.training.seed,
    }
    return fixed | {f"simulation {name}": simulation.seed for name, simulation in recipe.simulations.items()}


def provenance_rows(run: RunFiles) -> list[tuple[str, str]]:
    """Versions, hardware, date, commit and seeds as names and values."""
    rows = [("directory", str(run.directory.resolve())), ("recipe", str(run.loaded.directory))]
    rows += _flat(run.environment)
    return rows + [(f"seed: {name}", str(value)) for name, value in seeds(run).items()]


def _flat(document: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in document.items():
        if isinstance(value, dict):
            rows += _flat(value)
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((name.replace("_", " "), text))
    return rows
