"""Going on with runs of recipes in Python."""

from __future__ import annotations

import shlex
from pathlib import Path

from mdfit.errors import UntrustedError
from mdfit.recipes.gallery import gallery
from mdfit.recipes.metrics import Metrics
from mdfit.recipes.run_directory import check_links
from mdfit.recipes.script import (
    SCRIPT,
    RequestDocument,
    ScriptRecipe,
    all_sources,
    is_script,
    load_script,
    read_request,
    run_script,
)


def resume_script(out: str | Path, show_progress: bool = True, *, trust: bool = False) -> Metrics:
    """Goes on with a run that was interrupted or killed.

    A run directory may come from somebody else, and its recipe is a program.  One that comes with mdfit is taken from
    this installation, when its files are those that the run began with; any other is only run with ``trust``.

    Args:
        out: directory of the run.
        show_progress: whether to draw progress bars.
        trust: whether to run a program that the run directory names, and to write where links in it lead.

    Raises:
        CheckpointError: when the record of the run is damaged.
        UntrustedError: when the recipe does not come with mdfit, or a link leads out of the directory, and neither is to
            be trusted.
        RecipeError: when the recipe is gone or has changed.
    """
    request = read_request(out)
    recipe = _from_gallery(request)
    if recipe is None:
        if not trust:
            raise UntrustedError(
                f"{out} was made by {Path(request.directory) / SCRIPT}, which does not come with this mdfit; resuming runs "
                f"that program. If you trust it: mdfit resume {shlex.quote(str(out))} --trust"
            )
        recipe = load_script(request.directory)
    if not trust:
        check_links(Path(out))
    return run_script(recipe, out, request.scale, request.seed, resume=True, show_progress=show_progress)


def _from_gallery(request: RequestDocument) -> ScriptRecipe | None:
    """The recipe of this installation whose files are those that a run began with."""
    folder = gallery() / Path(request.directory).name
    if request.sources is None or not is_script(folder):
        return None
    recipe = load_script(folder)
    return recipe if all_sources(recipe) == request.sources else None
