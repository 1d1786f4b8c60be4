"""Recipes from YAML: validated before anything runs, with the line of every mistake."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from mdfit.errors import CheckpointError, RecipeError, nearest, shown
from mdfit.recipes.run_directory import RESOLVED, file_digest
from mdfit.recipes.schema import HELD_OUT, NAME, WRITTEN, Recipe
from mdfit.storage import Document, DocumentError, parse_yaml, read_json, read_text, write_json

if TYPE_CHECKING:
    import yaml


#: In bytes: no recipe is as long, and one that is would be parsed for many seconds.
_LARGEST = 2**18


@dataclass(frozen=True)
class LoadedRecipe:
    """A validated recipe, the scale it was resolved for, and the directory that its paths are relative to.

    Attributes:
        recipe: what it says.
        scale: whose values have replaced others.
        directory: of its file.
        file: its name; None when it was not read from a file.
        seed: that was added to those of its file.
        minutes: for the training, in place of what its file says.
        tests: SHA-256 of the files of test sets when the run began, by name; None when they were not noted.
        program: SHA-256 of the file that defined the potential when the run began; None without one.
    """

    recipe: Recipe
    scale: str | None
    directory: Path
    file: str | None = None
    seed: int = 0
    minutes: float | None = None
    tests: dict[str, str] | None = field(default=None, compare=False)
    program: str | None = field(default=None, compare=False)

    def path(self, relative: str) -> Path:
        return self.directory / relative

    def document(self) -> dict[str, Any]:
        """The resolved recipe as JSON types."""
        return {
            "scale": self.scale,
            "directory": str(self.directory),
            "file": self.file,
            "seed": self.seed,
            "minutes": self.minutes,
            "recipe": self.recipe.model_dump(mode="json"),
        }

    def write(self, run: Path) -> None:
        """Writes the record of the run, from which :func:`load_resolved` reads it."""
        write_json(run / RESOLVED, {**self.document(), "tests": self.digests(), "program": self.program_digest()})

    def digests(self) -> dict[str, str]:
        """SHA-256 of the files of test sets, by name; they are read again when the run goes on.

        Raises:
            RecipeError: when one cannot be read.
        """
        return {name: file_digest(self.path(file)) for name, file in self.recipe.data.test_files.items()}

    def program_digest(self) -> str | None:
        """SHA-256 of the file that defines the potential, when the recipe names one."""
        file = self.recipe.potential.file
        return None if file is None else file_digest(self.path(file))

    def differences(self, other: LoadedRecipe) -> list[str]:
        """The keys whose values differ."""
        return _different(self.recipe.model_dump(mode="json"), other.recipe.model_dump(mode="json"))


def load_recipe(
    path: str | Path, scale: str | None = None, seed: int = 0, minutes: float | None = None
) -> LoadedRecipe:
    """Reads and validates a recipe.

    Args:
        path: a YAML file.
        scale: a name under ``scales``, whose values replace those of the recipe.
        seed: added to those of the recipe, but for that of the split of the data.
        minutes: for the training, in place of the epochs or the minutes of the recipe.

    Raises:
        RecipeError: for a missing file, YAML that cannot be parsed, unknown keys, values that are not allowed, a scale
            that the recipe does not have, or data files that do not exist.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "recipe.yaml"
    if not path.is_file():
        raise RecipeError(f"There is no recipe {path}; `mdfit recipes` lists those that come with mdfit.")
    content, lines = _parse(path)
    scales = _scales(content.pop("scales", None) or {}, path, lines)
    if scale is not None:
        if scale not in scales:
            raise RecipeError(f"{path} has no scale '{scale}': {nearest(scale, scales)}")
        content = _merged(content, scales[scale])
    if minutes is not None:
        content = _merged(content, {"training": {"minutes": minutes}})
        content["training"].pop("epochs", None)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(_explain(error, path, lines, scale)) from error
    loaded = LoadedRecipe(recipe.with_seed(seed), scale, path.resolve().parent, path.name, seed, minutes)
    _check_files(loaded, path, lines)
    _check_predecessors(loaded, path, lines)
    return loaded


def load_resolved(run: str | Path) -> LoadedRecipe:
    """The recipe of a run.

    Raises:
        RecipeError: when the directory holds no run.
    """
    path = Path(run) / RESOLVED
    if not path.is_file():
        raise RecipeError(f"{run} is not the directory of a run: it has no {RESOLVED}; check the path.")
    try:
        record = read_json(path, _Record)
        recipe = Recipe.model_validate(record.recipe, context=WRITTEN)
        known = (record.file, record.seed, record.minutes, record.tests, record.program)
        return LoadedRecipe(recipe, record.scale, Path(record.directory), *known)
    except (CheckpointError, ValidationError, RecursionError) as error:
        raise RecipeError(
            f"The recipe of the run in {run} cannot be read ({type(error).__name__}): {RESOLVED} is damaged or of another "
            "version of mdfit; run the recipe again."
        ) from error


class _Record(Document):
    """What :meth:`LoadedRecipe.write` writes."""

    scale: str | None
    directory: str
    file: str | None = None
    seed: int = 0
    minutes: float | None = None
    tests: dict[str, str] | None = None
    program: str | None = None
    recipe: dict[str, Any]


def check_unchanged(loaded: LoadedRecipe) -> None:
    """Whether the file that a run's recipe was read from still says the same.

    Raises:
        RecipeError: when it was edited since the run began.
    """
    if loaded.file is None or not loaded.path(loaded.file).is_file():
        return
    path = loaded.path(loaded.file)
    different = loaded.differences(load_recipe(path, loaded.scale, loaded.seed, loaded.minutes))
    if different:
        raise RecipeError(
            f"{path} was edited since the run began ({', '.join(different[:5])}); put it back, or save the "
            "new version under another name, to resume the run as it was begun."
        )


def check_files(loaded: LoadedRecipe) -> None:
    """Whether test sets and the program of the potential are still those that a run began with.

    Training data and starts have their own checks, once they are read.

    Raises:
        RecipeError: when a file has changed or is gone, or is a pipe or a device.
    """
    for path in (loaded.path(name) for name in _files(loaded.recipe).values() if name is not None):
        if path.exists() and not path.is_file():
            raise RecipeError(f"{path} is no regular file; put it back to resume, or run the recipe again.")
    if loaded.program != loaded.program_digest():
        file = loaded.path(str(loaded.recipe.potential.file))
        raise RecipeError(
            f"{file}, which defines the potential, has changed since the run began; put it back to resume, or run "
            "the recipe in another directory."
        )
    if loaded.tests is None:
        return
    now = loaded.digests()
    # Earlier versions have noted no digest of what is held out.
    noted = {HELD_OUT: now.get(HELD_OUT), **loaded.tests}
    changed = [name for name, digest in now.items() if noted.get(name) != digest]
    if changed:
        file = loaded.path(loaded.recipe.data.test_files[changed[0]])
        raise RecipeError(
            f"{file} (test set '{changed[0]}') has changed since the run began; put it back to resume, or run the recipe "
            "in another directory."
        )


def _different(one: Any, other: Any, place: str = "") -> list[str]:
    """The places where two documents differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(one.keys() | other.keys())
        missing = object()
        return [
            found
            for name in names
            for found in _different(one.get(name, missing), other.get(name, missing), f"{place}.{name}".lstrip("."))
        ]
    return [] if one == other else [place]


def _parse(path: Path) -> tuple[dict[str, Any], dict[tuple, int]]:
    """The content, and the line of every key by its path."""
    try:
        content, node = parse_yaml(read_text(path, _LARGEST, "utf-8-sig"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read ({error.strerror or error}); check the file.") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not text in UTF-8; save it as such.") from error
    except DocumentError as error:
        where = "" if error.line is None else f" line {error.line}"
        raise RecipeError(f"{path}{where}: {error.problem}.") from error
    if not isinstance(content, dict):
        raise RecipeError(
            f"{path} holds no recipe: it must be a YAML mapping with the keys {', '.join(_keys(Recipe))}."
        )
    lines: dict[tuple, int] = {}
    _collect_lines(node, (), lines)
    return content, lines


def _scales(scales: Any, path: Path, lines: dict[tuple, int]) -> dict[str, dict[str, Any]]:
    """The scales by name; one without changes is empty."""
    where = f"{path}{_line(('scales',), lines, None)}"
    if not isinstance(scales, dict):
        raise RecipeError(f"{where}: 'scales' must be a mapping from names to changes, not {shown(repr(scales))}.")
    for name, changes in scales.items():
        where = f"{path}{_line(('scales', name), lines, None)}"
        if not isinstance(changes, dict | None):
            raise RecipeError(
                f"{where}: the scale '{name}' must be a mapping of keys of the recipe, not {shown(repr(changes))}."
            )
        if not re.fullmatch(NAME, str(name)) or len(str(name)) > 100:
            raise RecipeError(
                f"{where}: the name {name!r} becomes that of a file; use letters, digits, '.', '_' and '-'."
            )
    return {str(name): changes or {} for name, changes in scales.items()}


def _collect_lines(node: yaml.Node | None, place: tuple, lines: dict[tuple, int]) -> None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, key.value)
            lines[here] = key.start_mark.line + 1
            _collect_lines(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + 1
            _collect_lines(value, (*place, index), lines)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes``, key by key in nested mappings; a null removes a section."""
    out = dict(base)
    for key, value in changes.items():
        if value is None and isinstance(out.get(key), dict):
            out.pop(key)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = _merged(out[key], value)
        else:
            out[key] = value
    return out


def _explain(error: ValidationError, path: Path, lines: dict[tuple, int], scale: str | None) -> str:
    problems = []
    for item in error.errors():
        place = tuple(item["loc"])
        name = ".".join(str(part) for part in place)
        problems.append(f"{path}{_line(place, lines, scale)}: {_problem(item, place, name)}")
    return "\n".join(problems)


def _line(place: tuple[Hashable, ...], lines: dict[tuple, int], scale: str | None) -> str:
    while place:
        # What a scale sets stands under the scale.
        for candidate in (("scales", scale, *place), place):
            if candidate in lines:
                return f" line {lines[candidate]}"
        place = place[:-1]
    return ""


def _problem(item: Any, place: tuple, name: str) -> str:
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"unknown key '{name}'; {nearest(str(place[-1]), _keys(_section(place[:-1])))}"
    if kind == "missing":
        return f"the key '{name}' is missing"
    if kind == "literal_error":
        return f"'{name}' must be {item['ctx']['expected']}, not {shown(repr(item['input']))}"
    if kind in ("string_pattern_mismatch", "string_too_long"):
        name = shown(repr(item["input"]))
        return f"the name {name} becomes that of a file; use up to 100 letters, digits, '.', '_' and '-'"
    message = item["msg"].removeprefix("Value error, ")
    return (
        f"'{name}': {message} (given: {shown(repr(item['input']))})"
        if kind != "value_error"
        else f"'{name}': {message}"
    )


def _section(place: tuple) -> type[BaseModel]:
    """The section that a path of keys leads to."""
    section: Any = Recipe
    for part in place:
        if isinstance(section, type) and issubclass(section, BaseModel) and part in section.model_fields:
            section = section.model_fields[part].annotation
        section = _inner_model(section)
    return section


def _inner_model(annotation: Any) -> Any:
    """The section inside ``X | None`` or ``dict[str, X]``."""
    from typing import get_args

    if isinstance(annotation, type) and not get_args(annotation):
        return annotation
    found = [inner for inner in map(_inner_model, get_args(annotation)) if isinstance(inner, type)]
    models = [inner for inner in found if issubclass(inner, BaseModel)]
    return models[0] if models else annotation


def _keys(section: Any) -> list[str]:
    return list(getattr(section, "model_fields", {}))


def _check_files(loaded: LoadedRecipe, path: Path, lines: dict[tuple, int]) -> None:
    for place, file in _files(loaded.recipe).items():
        if file is not None and not _is_file(loaded.path(file)):
            where = _line(place, lines, loaded.scale)
            raise RecipeError(
                f"{path}{where}: there is no file {shown(str(loaded.path(file)))}; paths are relative to the recipe."
            )


def _files(recipe: Recipe) -> dict[tuple, str | None]:
    """The files that a recipe names, by the place where it does."""
    data = recipe.data
    files: dict[tuple, str | None] = {("data", "train"): data.train, ("data", "validation"): data.validation}
    files |= {("data", "tests", name): file for name, file in data.tests.items()}
    files |= {("simulations", n, "structure", "file"): s.structure.file for n, s in recipe.simulations.items()}
    return files | {("published",): recipe.published, ("potential", "file"): recipe.potential.file}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a directory that may not be read
        return False


def _check_predecessors(loaded: LoadedRecipe, path: Path, lines: dict[tuple, int]) -> None:
    earlier: list[str] = []
    for name, simulation in loaded.recipe.simulations.items():
        wanted = simulation.structure.end_of
        if wanted is not None and wanted not in earlier:
            where = _line(("simulations", name, "structure", "end_of"), lines, loaded.scale)
            raise RecipeError(
                f"{path}{where}: simulation '{name}' starts at the end of '{wanted}', which is no simulation above it; "
                f"{nearest(wanted, earlier)}"
            )
        earlier.append(name)
