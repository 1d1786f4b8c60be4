"""The recipes that come with mdfit."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from mdfit.errors import OutputError, RecipeError, nearest
from mdfit.recipes.script import is_script, load_script
from mdfit.storage import parse_yaml, remedy


def gallery() -> Path:
    """The directory of the recipes: inside an installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "gallery", package.parents[1] / "recipes"):
        if place.is_dir():
            return place
    raise RecipeError("The recipes are missing from this installation; install mdfit again or use a checkout.")


def list_recipes() -> list[tuple[str, str, list[str]]]:
    """Name, title and scales of each recipe."""
    out = []
    for folder in sorted(gallery().iterdir()):
        if is_script(folder):
            script = load_script(folder)
            out.append((folder.name, script.title, list(script.scales)))
        elif (folder / "recipe.yaml").is_file():
            content, _ = parse_yaml((folder / "recipe.yaml").read_text(encoding="utf-8"))
            out.append((folder.name, content["title"], list(content.get("scales") or {})))
    return out


def copy_recipe(name: str, directory: Path) -> Path:
    """Copies a recipe with its data, and beside it those whose data it needs, where they are not there yet.

    Raises:
        RecipeError: when there is no such recipe.
        OutputError: when the target exists or cannot be written; nothing is left of it then.
    """
    names = [known for known, _, _ in list_recipes()]
    if name not in names:
        raise RecipeError(f"There is no recipe '{name}': {nearest(name, names)}")
    if (directory / name).exists():
        raise OutputError(f"{directory / name} exists; move it away first.")
    for needed in _needs(name):
        if not (directory / needed).exists():
            _copy(needed, directory)
    return _copy(name, directory)


def _needs(name: str) -> tuple[str, ...]:
    folder = gallery() / name
    return load_script(folder).needs if is_script(folder) else ()


def _copy(name: str, directory: Path) -> Path:
    target = directory / name
    try:
        shutil.copytree(gallery() / name, target, ignore=shutil.ignore_patterns("results"))
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        first: OSError = error
        if isinstance(error, shutil.Error):
            # copytree gives all failures as triples of source, target and reason: "[Errno 28] No space left on device".
            reason = error.args[0][0][2]
            number = re.match(r"\[Errno (\d+)\]", reason)
            first = OSError(int(number[1]) if number else 0, reason)
        raise OutputError(f"Could not write {target}: {first.strerror or first}; {remedy(first)}.") from error
    return target
