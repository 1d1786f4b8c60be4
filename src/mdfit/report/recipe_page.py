"""The page of a run of a recipe in YAML."""

from __future__ import annotations

from mdfit.report.page import Page, Section, flat, pictures
from mdfit.report.plots_accuracy import element_panel, group_panel, parity_panels, reliability_panels
from mdfit.report.plots_learning import learning_panels
from mdfit.report.plots_properties import equation_of_state_panels
from mdfit.report.plots_simulation import simulation_panels
from mdfit.report.published import published_table
from mdfit.report.run_files import RunFiles, TestErrors
from mdfit.report.tables import Table, element_errors, element_table, group_table, metric_sections, time_table


def recipe_page(run: RunFiles) -> Page:
    """What the report of a run shows, also of one that has not finished."""
    recipe = run.loaded.recipe
    properties = recipe.properties
    details = [("Check of the training data", "", run.data_check)] if run.data_check else []
    units = "Bare numbers: lengths in Å, times in fs, temperatures in K, pressures in bar, friction in 1/ps."
    return Page(
        title=recipe.title,
        scale=run.loaded.scale,
        description=[recipe.description] if recipe.description else [],
        status=status(run),
        metrics=metric_sections(run.metrics, {} if properties is None else properties.reference),
        sections=_sections(run),
        provenance=provenance_rows(run),
        details=[*details, ("Resolved recipe", units, recipe_as_yaml(run))],
    )


def status(run: RunFiles) -> str:
    """What is missing, in a sentence; empty for a complete run."""
    if run.complete:
        return ""
    if run.training_status in ("finished", "early stopping"):
        return "This run is not complete: the training has ended, the results that follow it are not all there."
    epochs = run.history[-1].get("epoch", len(run.history)) if run.history else 0
    return f"This run is not complete: {epochs} of {run.epochs or '?'} epochs of training are done."


def _sections(run: RunFiles) -> list[Section]:
    unit = run.loaded.recipe.force_unit
    published = published_table(run)
    recipe = run.loaded.recipe
    sections = [Section("Learning curves", pictures(learning_panels(run)), [])]
    sections += [_test_section(name, test, unit) for name, test in run.tests.items()]
    if published is not None:
        text = "Root-mean-square errors; energies per structure. Empty: not reported, or not part of this run."
        sections.append(Section("Published errors", [], [("", published)], text))
    for name, arrays in run.simulations.items():
        panels = simulation_panels(name, recipe.simulations[name], arrays)
        sections.append(Section(f"Simulation: {name}", pictures(panels), [], simulation_text(run, name)))
    panels = equation_of_state_panels(recipe.properties, run.properties)
    sections.append(Section("Equation of state", pictures(panels), []))
    times = [("", time_table(run.times))] if run.times.wall else []
    return [*sections, Section("Times", [], times)]


def group_tables(run: RunFiles) -> dict[str, Table]:
    """The errors of each test set by each label that the recipe names and that differs in it, under a heading."""
    unit = run.loaded.recipe.force_unit
    return {
        f"Errors of {name} by {key}": group_table(key, test, unit)
        for name, test in run.tests.items()
        for key, labels in test.groups.items()
        if len(set(labels)) > 1
    }


def _test_section(name: str, test: TestErrors, unit: str) -> Section:
    panels = parity_panels(name, test, unit)
    tables = []
    if len(test.accuracy.forces):
        panels += element_panel(name, element_errors(test, unit), unit)
        tables.append(("Force errors by element", element_table(test, unit)))
    for key in test.groups:
        panels += group_panel(name, key, test, unit)
        tables.append((f"Errors by {key}", group_table(key, test, unit)))
    for reliability in reliability_panels(name, test).values():
        panels += reliability
    return Section(f"Test errors: {name}", pictures(panels), tables)


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
    if recipe.uncertainty is not None:
        fixed["draws of the potential"] = recipe.uncertainty.seed
    return fixed | {f"simulation {name}": simulation.seed for name, simulation in recipe.simulations.items()}


def provenance_rows(run: RunFiles) -> list[tuple[str, str]]:
    """Versions, hardware, date, commit and seeds as names and values."""
    rows = [("directory", str(run.directory.resolve())), ("recipe", str(run.loaded.directory))]
    rows += flat(run.environment)
    return rows + [(f"seed: {name}", str(value)) for name, value in seeds(run).items()]
