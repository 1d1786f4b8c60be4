"""Classes by their names, for recipes, the command line and files: one place for everything that is named there.

A class is known as soon as the module that defines it has been imported.  Packages that bring potentials, observables or
samplers of their own name their modules as entry points of the group ``mdfit.plugins``; these are imported when a name is
looked up.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from mdfit.errors import MdfitError, nearest

#: The group of entry points whose modules are imported.
PLUGINS = "mdfit.plugins"

log = logging.getLogger(__name__)

Kind = TypeVar("Kind")


def named(*bases: type) -> dict[str, type]:
    """The classes that can be made, of these bases and all that are derived from them, by name; private ones are left out.

    Of several definitions of one class, as in a notebook, the last one counts.

    Classes of different files that share a name are refused by :func:`find`.
    """
    _import_plugins()
    found: dict[str, list[type]] = {}
    for cls in (one for base in bases for one in (base, *_descendants(base))):
        if not (cls.__name__.startswith("_") or inspect.isabstract(cls)):
            others = [one for one in found.get(cls.__name__, []) if _source(one) != _source(cls)]
            found[cls.__name__] = [*others, cls]
    return {name: classes[0] if len(classes) == 1 else _ambiguous(name, classes) for name, classes in found.items()}


def find(name: Any, base: type[Kind], what: str, error: type[MdfitError]) -> type[Kind]:
    """The class of a name.

    Args:
        name: of the class.
        base: of which it is.
        what: a word for messages, such as ``"sampler"``.
        error: what to raise.

    Raises:
        error: for a name that does not exist, or that two classes share.
    """
    return _chosen(name, named(base), what, error)


def build(
    choice: Any, bases: tuple[type, ...], what: str, error: type[MdfitError], parts: tuple[type, ...] = ()
) -> Any:
    """An object from its name, or from ``{name: {argument: value}}``.

    Arguments that are themselves objects are written in the same way; lists become tuples.

    Args:
        choice: as it stands in a file.
        bases: of one of which the object is.
        what: words for messages, with their article.
        error: what to raise.
        parts: of which its arguments may be.

    Raises:
        error: for a name or an argument that does not exist, or a value that is not allowed.
    """
    name, arguments = next(iter(choice.items())) if isinstance(choice, Mapping) and len(choice) == 1 else (choice, None)
    kind = what.partition(" ")[2]
    if not isinstance(name, str) or not isinstance(arguments or {}, Mapping):
        raise error(f"{choice!r} names no {kind}; write its name, or {{name: {{argument: value}}}}.")
    part = what if what.startswith("a part of") else f"a part of {what}"

    def made(value: Any) -> Any:
        if isinstance(value, Mapping):
            return build(value, parts, part, error, parts)
        return tuple(made(one) for one in value) if isinstance(value, list) else value

    cls = _chosen(name, named(*bases), kind, error)
    return call(cls, cls.__name__, {key: made(value) for key, value in (arguments or {}).items()}, error)


def call(function: Any, name: str, arguments: Mapping[str, Any], error: type[MdfitError]) -> Any:
    """``function(**arguments)``, with one sentence for arguments that are unknown, missing or wrong.

    Args:
        function: a class, or what makes objects of it.
        name: in messages.
        arguments: by name.
        error: what to raise.
    """
    parameters = inspect.signature(function).parameters
    for argument in arguments:
        if argument not in parameters:
            raise error(f"{name} takes no argument {argument!r}: {nearest(argument, parameters)}")
    gathering = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [n for n, p in parameters.items() if p.default is inspect.Parameter.empty and p.kind not in gathering]
    missing = [n for n in needed if n not in arguments]
    if missing:
        raise error(f"{name} needs the argument {missing[0]!r}; write {{{name}: {{{missing[0]}: …}}}}.")
    try:
        return function(**arguments)
    except TypeError as problem:
        raise error(f"{name} cannot be built from {dict(arguments)}: {problem}.") from problem


def _chosen(name: Any, classes: dict[str, type], what: str, error: type[MdfitError]) -> Any:
    if not isinstance(name, str) or name not in classes:
        raise error(f"There is no {what} {name!r}: {nearest(str(name), classes)}")
    cls = classes[name]
    if issubclass(cls, _Ambiguous):
        raise error(
            f"There are {len(cls.places)} classes of the name {name}: {', '.join(cls.places)}; rename all but one."
        )
    return cls


class _Ambiguous:
    """Stands for several classes of one name."""

    places: ClassVar[tuple[str, ...]] = ()


def _ambiguous(name: str, classes: list[type]) -> type:
    places = tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in classes)
    return type(name, (_Ambiguous,), {"places": places})


def _source(cls: type) -> tuple[str, str]:
    """The file and the name in it: one that is imported under two names of modules is the same."""
    module = sys.modules.get(cls.__module__)
    return str(getattr(module, "__file__", None) or cls.__module__), cls.__qualname__


def _descendants(cls: type) -> Iterator[type]:
    children: list[type] = type.__subclasses__(cls)
    for child in children:
        yield child
        yield from _descendants(child)


@functools.cache
def _import_plugins() -> None:
    for entry in importlib.metadata.entry_points(group=PLUGINS):
        try:
            entry.load()
        except (Exception, SystemExit) as problem:  # a plugin may fail in any way, and what does not need it goes on
            log.warning(
                "The plugin %s (%s) cannot be imported: %r. Its classes are not known; mend or remove it.",
                entry.name,
                entry.value,
                problem,
            )
