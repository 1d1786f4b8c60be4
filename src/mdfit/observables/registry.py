"""Observables by name, for files that name them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from mdfit.errors import ObservableError, nearest
from mdfit.observables.base import Observable
from mdfit.observables.basins import Basin, Interval
from mdfit.observables.collective_variables import CollectiveVariable

#: What arguments of observables may be.
_PARTS = (Basin, CollectiveVariable, Interval, Observable)


def observable_from(choice: str | Mapping[str, Any]) -> Observable:
    """An observable from its name, or from ``{name: {argument: value}}``.

    Arguments that are themselves objects, such as collective variables, are written in the same way.

    Raises:
        ObservableError: for a name or an argument that does not exist, or a value that is not allowed.
        UnitError: for a quantity of another dimension.
    """
    return _build(choice, (Observable,), "observable")


def _build(choice: str | Mapping[str, Any], bases: tuple[type, ...], kind: str) -> Any:
    classes = _classes(*bases)
    name, arguments = next(iter(choice.items())) if isinstance(choice, Mapping) and len(choice) == 1 else (choice, None)
    if not isinstance(name, str) or not isinstance(arguments or {}, Mapping):
        raise ObservableError(f"{choice!r} names no {kind}; write its name, or {{name: {{argument: value}}}}.")
    if name not in classes:
        raise ObservableError(f"There is no {kind} {name!r}: {nearest(name, classes)}")
    return _construct(classes[name], dict(arguments or {}))


def _construct(cls: type, arguments: dict[str, Any]) -> Any:
    parameters = inspect.signature(cls).parameters
    for argument, value in arguments.items():
        if argument not in parameters:
            raise ObservableError(f"{cls.__name__} takes no argument {argument!r}: {nearest(argument, parameters)}")
        arguments[argument] = _argument(value)
    missing = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty and n not in arguments]
    if missing:
        raise ObservableError(
            f"{cls.__name__} needs the argument {missing[0]!r}; write {{{cls.__name__}: {{{missing[0]}: …}}}}."
        )
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ObservableError(f"{cls.__name__} cannot be built from {arguments}: {error}.") from error


def _argument(value: Any) -> Any:
    """Values as constructors take them: objects for ``{name: {argument: value}}``, tuples for lists."""
    if isinstance(value, Mapping):
        return _build(value, _PARTS, "part of an observable")
    return tuple(_argument(one) for one in value) if isinstance(value, list) else value


def _classes(*bases: type) -> dict[str, type]:
    found = {cls.__name__: cls for base in bases for cls in (base, *_descendants(base))}
    return {name: cls for name, cls in found.items() if not (name.startswith("_") or inspect.isabstract(cls))}


def _descendants(cls: type) -> Iterator[type]:
    children: list[type] = cls.__subclasses__()
    for child in children:
        yield child
        yield from _descendants(child)
