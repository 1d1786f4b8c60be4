"""The page of a run of a recipe in Python, and of committed results."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from mdfit.report.drawing import panels_of
from mdfit.report.figures import BLUE, ORANGE, Panel, Picture
from mdfit.report.page import Page, Section, flat, pictures
from mdfit.report.script_files import ScriptFiles, Training
from mdfit.report.tables import Table, comparison_table, metric_sections, readable, time_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Of records of a training, the columns that are drawn: name, label, and whether there is one without.
_OPTIONAL_CURVES = (
    ("validation_force_rmse", "force RMSE of validation (eV/Å)"),
    ("gradient_norm", "norm of the gradient"),
    ("effective_size", "effective number of frames"),
)


def script_page(run: ScriptFiles) -> Page:
    """What the report of a run shows, also of one that has not finished."""
    request = run.request
    title = (None if request is None else request.title) or run.record.get("title") or readable(run.directory.name)
    description = "" if request is None else request.description
    return Page(
        title=str(title),
        scale=request.scale if request is not None else run.record.get("scale"),
        description=[text for text in description.split("\n\n") if text],
        status=_status(run),
        metrics=metric_sections(run.metrics),
        sections=_sections(run),
        provenance=_provenance(run),
        details=_details(run),
    )


def _status(run: ScriptFiles) -> str:
    if run.complete:
        return ""
    done = f"{len(run.metrics)} metrics of finished stages" if run.metrics else "no stage with metrics has finished"
    return f"This run is not complete: {done}."


def _sections(run: ScriptFiles) -> list[Section]:
    compared = comparison_table(run.metrics)
    tables = [] if compared is None else [("", compared)]
    sections = [Section("Comparison", [], tables)]
    sections += [Section(readable(name), pictures(panels_of(name, figure)), []) for name, figure in run.figures.items()]
    for name, path in run.pictures.items():
        source = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
        sections.append(Section(readable(name), [Picture(source, readable(name))], []))
    sections += [_training_section(name, training) for name, training in run.trainings.items()]
    models = [("", _model_table(run.models))] if run.models else []
    times = [("", time_table(run.times))] if run.times.wall else []
    return [*sections, Section("Models", [], models), Section("Times", [], times)]


def _training_section(name: str, training: Training) -> Section:
    history = training.history
    if not history:
        return Section(f"Training: {readable(name)}", [], [])
    columns = [(column, label) for column, label in _OPTIONAL_CURVES if any(column in record for record in history)]
    panels = [_loss(name, history), *(_curve(name, column, label, history) for column, label in columns)]
    updates = history[-1].get("step", len(history))
    return Section(f"Training: {readable(name)}", pictures(panels), [], f"{training.status}, {updates:g} updates.")


def _loss(name: str, history: list[dict[str, Any]]) -> Panel:
    def draw(axes: Axes) -> None:
        values = []
        for column, colour, label in (("loss", BLUE, "training"), ("validation_loss", ORANGE, "validation")):
            points = _points(column, history)
            if points:
                axes.plot(
                    *zip(*points, strict=True), color=colour, label=label, marker="o" if len(points) < 2 else None
                )
                values += [value for _, value in points]
        # Relative entropies, and losses that nothing is left of, are not positive.
        positive = bool(values) and min(values) > 0
        axes.set(xlabel="updates", ylabel="loss", yscale="log" if positive else "linear")
        axes.legend()

    return Panel(f"loss_{name}", "Loss along the training.", draw)


def _curve(name: str, column: str, label: str, history: list[dict[str, Any]]) -> Panel:
    def draw(axes: Axes) -> None:
        axes.plot(*zip(*_points(column, history), strict=True), color=BLUE)
        axes.set(xlabel="updates", ylabel=label)

    return Panel(f"{column}_{name}", f"{readable(column)} along the training.", draw)


def _points(column: str, history: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [
        (record.get("step", number), record[column]) for number, record in enumerate(history, 1) if column in record
    ]


def _model_table(models: dict[str, dict[str, Any]]) -> Table:
    rows = []
    for name, header in models.items():
        architecture = header.get("architecture", {})
        terms = architecture.get("terms", [architecture]) if isinstance(architecture, dict) else []
        kinds = " + ".join(str(term.get("class", "?")) for term in terms if isinstance(term, dict))
        rows.append([f"{name}.mdfit", kinds, f"{header.get('cutoff', '?')}", str(header.get("created", ""))])
    return Table(["file", "terms", "cutoff (Å)", "written"], rows)


def _details(run: ScriptFiles) -> list[tuple[str, str, str]]:
    if run.request is None or not run.request.sources:
        return []
    lines = "\n".join(f"{digest}  {path}" for path, digest in run.request.sources.items())
    return [("Files of the recipe", "SHA-256 when the run began.", lines)]


def _provenance(run: ScriptFiles) -> list[tuple[str, str]]:
    rows = [("directory", str(run.directory.resolve()))]
    if run.request is not None:
        rows += [("recipe", run.request.directory), ("seed", str(run.request.seed))]
        rows += [] if run.record else [("mdfit", str(run.request.mdfit_version))]
    return rows + flat({name: value for name, value in run.record.items() if name not in ("title", "seconds")})
