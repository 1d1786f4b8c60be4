"""Python files of a recipe."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from mdfit.errors import MdfitError, RecipeError


def import_file(path: Path) -> ModuleType:
    """A Python file as a module; files beside it can be imported from now on.

    Raises:
        RecipeError: when it cannot be imported.
    """
    path = path.resolve()
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = f"mdfit_recipe_{path.parent.name}_{path.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise RecipeError(f"{path} is no Python file; give one that ends in .py.")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, MdfitError):
            raise
        raise RecipeError(f"{path} cannot be imported ({error!r}); mend it.") from error
    return module
