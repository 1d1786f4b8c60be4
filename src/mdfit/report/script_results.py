"""Small results of a recipe that is a Python program, to keep under version control."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict

from mdfit.errors import RecipeError
from mdfit.provenance import EnvironmentDocument
from mdfit.recipes.figures import FOLDER, read_figure
from mdfit.recipes.metrics import read_metrics, write_metrics
from mdfit.recipes.stage_times import TimesDocument
from mdfit.report.drawing import panels_of
from mdfit.report.figures import save_row
from mdfit.report.results import PROVENANCE, check_target, copy_models, summary
from mdfit.storage import MADE_AGAIN, Document, checked, read_json, write_json, write_text

#: In bytes; larger figures stay in the run.
LARGEST_FIGURE = 150_000


class ScriptProvenance(Document):
    """What is shown of ``provenance.json``, beside the environment."""

    model_config = ConfigDict(extra="allow")

    title: str
    command: str
    seeds: dict[str, int]
    seconds: TimesDocument


def write_script_results(run: str | Path, to: str | Path) -> Path:
    """Copies metrics, provenance and small potentials of a complete run, draws its figures, and writes a ``run.md``.

    Returns:
        The path of ``run.md``.

    Raises:
        RecipeError: when the run is not complete.
        OutputError: when the results cannot be written, or other files are in their place.
    """
    run, to = Path(run), Path(to)
    if not (run / "metrics.json").is_file():
        raise RecipeError(f"The run in {run} is not complete: it has no metrics.json; `mdfit resume {run}`.")
    metrics = read_metrics(run / "metrics.json")
    provenance = read_json(run / PROVENANCE, EnvironmentDocument)
    checked(provenance, ScriptProvenance, run / PROVENANCE, remedy=MADE_AGAIN)
    check_target(to)
    write_json(to / PROVENANCE, provenance)
    write_metrics(to / "metrics.json", metrics)
    drawn = []
    for path in sorted((run / FOLDER).glob("*.json")):
        drawn.append(to / f"{path.stem}.png")
        save_row(panels_of(path.stem, read_figure(path)), drawn[-1], LARGEST_FIGURE)
    # A link could lead to what nobody wants to publish.
    files = (path for path in sorted(run.glob("*.png")) if path.is_file() and not path.is_symlink())
    pictures = [path for path in files if path.stat().st_size < LARGEST_FIGURE and to / path.name not in drawn]
    figures = sorted([*drawn, *pictures], key=lambda path: path.name)
    copy_models([(path, path.name) for path in (*pictures, *sorted(run.glob("*.mdfit")))], to)
    write_text(to / "run.md", summary(provenance["title"], provenance, metrics, figures))
    return to / "run.md"
