"""Small results of a recipe that is a Python program, to keep under version control."""

from __future__ import annotations

import shutil
from pathlib import Path

from pydantic import ConfigDict

from mdfit.errors import OutputError, RecipeError
from mdfit.provenance import EnvironmentDocument
from mdfit.recipes.figures import FOLDER, read_figure
from mdfit.recipes.metrics import read_metrics, write_metrics
from mdfit.recipes.stage_times import TimesDocument
from mdfit.report.drawing import panels_of
from mdfit.report.figures import save_row
from mdfit.report.results import PROVENANCE, check_target, summary
from mdfit.storage import Document, checked, read_json, remedy, write_json, write_text

#: Larger files stay in the run.
LARGEST_FIGURE, LARGEST_POTENTIAL = 150_000, 300_000


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
    checked(provenance, ScriptProvenance, run / PROVENANCE)
    check_target(to)
    write_json(to / PROVENANCE, provenance)
    write_metrics(to / "metrics.json", metrics)
    drawn = []
    for path in sorted((run / FOLDER).glob("*.json")):
        drawn.append(to / f"{path.stem}.png")
        save_row(panels_of(path.stem, read_figure(path)), drawn[-1], LARGEST_FIGURE)
    pictures = [path for path in _small(run, "*.png", LARGEST_FIGURE) if to / path.name not in drawn]
    figures = sorted([*drawn, *pictures], key=lambda path: path.name)
    try:
        for path in (*pictures, *_small(run, "*.mdfit", LARGEST_POTENTIAL)):
            shutil.copyfile(path, to / path.name)
    except OSError as error:
        raise OutputError(f"Could not write {to}: {error.strerror or error}; {remedy(error)}.") from error
    write_text(to / "run.md", summary(provenance["title"], provenance, metrics, figures))
    return to / "run.md"


def _small(run: Path, pattern: str, largest: int) -> list[Path]:
    # A link could lead to what nobody wants to publish.
    files = (path for path in run.glob(pattern) if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if path.stat().st_size < largest)
