"""Recipes that are Python programs: a folder with ``recipe.py``, for work that the YAML schema does not describe.

``recipe.py`` has a docstring whose first line is the title, ``SCALES`` (names, the usual one first), ``run(request) ->
Metrics`` and, where it reads the data of other recipes, their names as ``NEEDS``.  Other modules of its folder are imported
by their plain names.
"""

from __future__ import annotations

import ast
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from mdfit._version import __version__
from mdfit.errors import RecipeError, nearest
from mdfit.farm import Farm
from mdfit.recipes.importing import import_file
from mdfit.recipes.metrics import Metrics, write_metrics
from mdfit.recipes.request import TASKS, Request
from mdfit.recipes.run_directory import REQUEST, environment_of, note_commit, run_directory, sources
from mdfit.recipes.stage_times import StageTimes
from mdfit.storage import Document, read_json, read_text, write_json

log = logging.getLogger(__name__)

SCRIPT = "recipe.py"


class RequestDocument(Document):
    """``request.json``: which recipe, scale and seed a run belongs to.

    Attributes:
        directory: of the recipe.
        scale: one of its own.
        seed: of all random numbers.
        sources: SHA-256 of its files, and of those of the recipes that it needs, by folder and path.
        mdfit_version: that began the run.
        title, description: of the recipe.
    """

    directory: str
    scale: str
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    sources: dict[str, str] | None = None
    mdfit_version: str | None = None
    title: str | None = None
    description: str = ""


@dataclass(frozen=True)
class ScriptRecipe:
    """A recipe of this kind.

    Attributes:
        directory: of the recipe.
        title: first line of its docstring.
        scales: their names.
        needs: other recipes whose data it reads, in the folder beside its own.
        description: the rest of its docstring, in paragraphs between empty lines.
    """

    directory: Path
    title: str
    scales: tuple[str, ...]
    needs: tuple[str, ...] = ()
    description: str = ""


def is_script(path: str | Path) -> bool:
    """Whether a path is a recipe of this kind: its file or its folder."""
    path = Path(path)
    return path.name == SCRIPT or (path / SCRIPT).is_file()


def load_script(path: str | Path) -> ScriptRecipe:
    """Title and scales of a recipe, without running it.

    Raises:
        RecipeError: when there is no such file, or it lacks docstring, ``SCALES`` or ``run``.
    """
    path = Path(path)
    path = path / SCRIPT if path.is_dir() else path
    try:
        tree = ast.parse(read_text(path))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not a Python program ({error}); mend it.") from error
    title = ast.get_docstring(tree)
    constants: dict[str, Any] = {"SCALES": None, "NEEDS": ()}
    for node in tree.body:
        targets = node.targets[:1] if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and (name := getattr(targets[0], "id", "")) in constants:
            with contextlib.suppress(ValueError):
                constants[name] = ast.literal_eval(value)
    scales, needs = constants["SCALES"], constants["NEEDS"]
    runs = any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)
    if not (title and isinstance(scales, tuple) and scales and isinstance(needs, tuple) and runs):
        raise RecipeError(
            f"{path} is not a recipe: it needs a docstring, SCALES = (...) with the names of its scales, run(request) "
            "and, if it reads the data of other recipes, NEEDS = (...) with their names."
        )
    first, _, rest = title.partition("\n")
    return ScriptRecipe(path.resolve().parent, first.rstrip("."), scales, needs, rest.strip())


def run_script(
    recipe: ScriptRecipe,
    out: str | Path,
    scale: str | None = None,
    seed: int = 0,
    *,
    resume: bool = False,
    show_progress: bool = True,
    farm: Farm = Farm(),  # noqa: B008 (frozen)
) -> Metrics:
    """Carries out a recipe in the directory ``out`` and writes ``metrics.json`` and ``provenance.json`` there.

    Args:
        recipe: which one.
        out: directory of the run.
        scale: one of the recipe's; the first one by default.
        seed: of all random numbers.
        resume: goes on with a run that was interrupted.
        show_progress: whether to draw progress bars.
        farm: workers for the tasks of the recipe.

    Raises:
        RecipeError: for an unknown scale, a seed that is none, or a recipe that has changed since the run began.
        OutputError: when ``out`` holds a run that is not to be resumed or anything else, or cannot be written.
        MdfitError: whatever the recipe raises.
    """
    out = Path(out)
    scale = recipe.scales[0] if scale is None else scale
    if scale not in recipe.scales:
        raise RecipeError(f"{recipe.directory / SCRIPT} has no scale '{scale}': {nearest(scale, recipe.scales)}")
    if not 0 <= seed < 2**32:
        raise RecipeError(f"The seed is {seed}: give a whole number from 0 to {2**32 - 1}.")
    asked = _document(recipe, scale, seed)
    with run_directory(out, REQUEST, resume) as goes_on:
        if goes_on:
            _check_unchanged(read_request(out), asked, out)
        write_json(out / REQUEST, asked.model_dump())
        note_commit(out)
        metrics = _run_function(recipe)(Request(scale, seed, out, show_progress, farm))
        if farm.several and not (out / TASKS).exists():
            log.warning(
                "%s has no tasks that could be done side by side: one process did all.", recipe.directory / SCRIPT
            )
        record = {"title": recipe.title, **_record(recipe, scale, seed, out), **environment_of(out)}
        write_json(out / "provenance.json", record)
        # Last, since a run with metrics is a finished one.
        write_metrics(out / "metrics.json", metrics)
    return metrics


def _document(recipe: ScriptRecipe, scale: str, seed: int) -> RequestDocument:
    return RequestDocument(
        directory=str(recipe.directory),
        scale=scale,
        seed=seed,
        sources=all_sources(recipe),
        mdfit_version=__version__,
        title=recipe.title,
        description=recipe.description,
    )


def check_belongs(out: Path, recipe: ScriptRecipe, scale: str | None, seed: int) -> None:
    """Whether a run is one of this recipe, as it is now.

    Raises:
        RecipeError: when it was begun with something else.
        CheckpointError: when its record is missing or damaged.
    """
    _check_unchanged(read_request(out), _document(recipe, scale or recipe.scales[0], seed), out)


def read_request(out: str | Path) -> RequestDocument:
    """What a run belongs to.

    Raises:
        CheckpointError: when the record is missing or damaged.
    """
    request: RequestDocument = read_json(
        Path(out) / REQUEST, RequestDocument, "restore a copy of it, or run the recipe again in another directory."
    )
    return request


def all_sources(recipe: ScriptRecipe) -> dict[str, str]:
    """Digests of all files that the recipe may read."""
    folders = [recipe.directory, *(recipe.directory.parent / name for name in recipe.needs)]
    return {f"{folder.name}/{path}": digest for folder in folders for path, digest in sources(folder).items()}


def _check_unchanged(before: RequestDocument, now: RequestDocument, out: Path) -> None:
    """Raises RecipeError when a run was begun with something else."""
    if before.sources is None or before.mdfit_version != now.mdfit_version:
        version = before.mdfit_version or "an earlier version"
        raise RecipeError(
            f"{out} was begun with mdfit {version} (now {now.mdfit_version}); go on with that version, or run the recipe "
            "again in another directory."
        )
    assert now.sources is not None
    both = before.sources.keys() | now.sources.keys()
    changed = sorted(path for path in both if before.sources.get(path) != now.sources.get(path))
    settings = [name for name in ("scale", "seed") if getattr(before, name) != getattr(now, name)]
    if changed or settings:
        raise RecipeError(
            f"The recipe has changed since the run in {out} began ({', '.join((*settings, *changed[:5]))}); put it back to "
            "resume, or run it in another directory."
        )


def _record(recipe: ScriptRecipe, scale: str, seed: int, out: Path) -> dict[str, Any]:
    command = f"mdfit run recipes/{recipe.directory.name} --scale {scale} --seed {seed}"
    return {"command": command, "scale": scale, "seeds": {"all": seed}, "seconds": StageTimes.read(out).document()}


def _run_function(recipe: ScriptRecipe) -> Callable[[Request], Metrics]:
    """``run`` of a recipe, whose neighbours can be imported from now on."""
    return import_file(recipe.directory / SCRIPT).run
