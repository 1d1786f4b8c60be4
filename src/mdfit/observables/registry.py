"""Observables by name, for files that name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdfit import registry
from mdfit.errors import ObservableError
from mdfit.observables.base import Observable
from mdfit.observables.basins import Basin, Interval
from mdfit.observables.collective_variables import CollectiveVariable


def observable_from(choice: str | Mapping[str, Any]) -> Observable:
    """An observable from its name, or from ``{name: {argument: value}}``.

    Arguments that are themselves objects, such as collective variables, are written in the same way.

    Raises:
        ObservableError: for a name or an argument that does not exist, or a value that is not allowed.
        UnitError: for a quantity of another dimension.
    """
    parts = (Basin, CollectiveVariable, Interval, Observable)
    observable: Observable = registry.build(choice, (Observable,), "an observable", ObservableError, parts)
    return observable
