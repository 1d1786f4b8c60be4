"""Python files of a recipe."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle

from mdfit.errors import MdfitError, RecipeError


def import_file(path: Path) -> ModuleType:
    """A Python file as a module, which finds those beside it first.

    Raises:
        RecipeError: when it cannot be imported.
    """
    path = path.resolve()
    name = f"mdfit_recipe_{path.parent.name}_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise RecipeError(f"{path} is no Python file; give one that ends in .py.")
    _find_first(path.parent)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    # Workers cannot import it by this name.
    cloudpickle.register_pickle_by_value(module)
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules[name]
        if isinstance(error, MdfitError):
            raise
        raise RecipeError(f"{path} cannot be imported ({error!r}); mend it.") from error
    return module


def _find_first(folder: Path) -> None:
    """Imports look into a folder first, and forget what has the name of a file there but came from elsewhere."""
    place = str(folder)
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    for file in folder.glob("*.py"):
        known = getattr(sys.modules.get(file.stem), "__file__", None)
        if known is not None and Path(known).resolve().parent != folder:
            del sys.modules[file.stem]
