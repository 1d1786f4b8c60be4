"""Learn molecular-dynamics potentials from simulation and experiment.

The rooms are imported when they are first used, so that ``import mdfit`` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mdfit._version import __version__

if TYPE_CHECKING:
    from mdfit import (
        data,
        engines,
        farm,
        graph,
        measurements,
        models,
        objectives,
        observables,
        potentials,
        properties,
        recipes,
        report,
        reweighting,
        simulate,
        structure,
        testing,
        training,
        uncertainty,
        units,
    )
    from mdfit.measurements import Measurement
    from mdfit.precision import key
    from mdfit.simulate import StatePoint
    from mdfit.structure import Structure, read_structure
    from mdfit.training import fit

_ROOMS = (
    "data",
    "engines",
    "farm",
    "graph",
    "measurements",
    "models",
    "objectives",
    "observables",
    "potentials",
    "properties",
    "recipes",
    "report",
    "reweighting",
    "simulate",
    "structure",
    "testing",
    "training",
    "uncertainty",
    "units",
)
_NAMES = {
    "Measurement": "mdfit.measurements",
    "StatePoint": "mdfit.simulate",
    "Structure": "mdfit.structure",
    "estimate": "mdfit.observables",
    "fit": "mdfit.training",
    "key": "mdfit.precision",
    "read_structure": "mdfit.structure",
}

__all__ = ["__version__", *_NAMES, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"mdfit.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        # Importing mdfit.training binds the module under the name of its function; the function is what users want.
        globals()[name] = value
        return value
    raise AttributeError(f"module 'mdfit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
