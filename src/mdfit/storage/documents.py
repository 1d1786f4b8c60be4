"""Documents that are read back: JSON and YAML, checked before they are used."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mdfit.errors import CheckpointError, MdfitError, shown
from mdfit.storage.reading import read_text

T = TypeVar("T")

#: A document has at most so many nodes once its aliases are written out, and at most so many levels.
MOST_NODES, MOST_LEVELS = 200_000, 64
#: Of a whole number in JSON, with its sign.
_MOST_DIGITS = 20


#: Finite and not negative: more than a million years no clock has shown.
Seconds = Annotated[float, Field(strict=True, ge=0, le=1e14)]
#: A value of a record; whole numbers fit into 64 bits, others may be NaN.
Number = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)] | Annotated[float, Field(strict=True)]


class Document(BaseModel):
    """A JSON document or a part of one: types are not converted, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


#: What can be done about documents that a run writes again, and about others.
MADE_AGAIN = "restore a copy of it, or delete it and `mdfit resume` its run."
_NOT_MADE_AGAIN = "restore a copy of it, or run again with another name for the output."


def read_json(path: str | Path, schema: Any = Any, remedy: str = MADE_AGAIN) -> Any:
    """The content of a JSON file of a run.

    Args:
        path: the file.
        schema: the type of the document, such as a :class:`Document` or ``dict[str, float]``.
        remedy: what to do when it is damaged, as the end of a message.

    Raises:
        CheckpointError: when it cannot be read, or is not of this type.
    """
    try:
        document = parse_json(read_text(path))
        _check_text(document)
        return checked(document, schema, path, remedy=remedy)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        what = error if isinstance(error, DocumentError) else type(error).__name__
        raise CheckpointError(f"{path} is damaged ({what}): {remedy}") from error


def parse_json(text: str) -> Any:
    """The content of a JSON text, none of which has two meanings.

    Raises:
        DocumentError: when a key is there twice, or a whole number has more digits than any that mdfit writes.
        ValueError, RecursionError: for text that is not JSON, or is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_int=_whole_number)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise DocumentError(f"the key {shown(repr(twice), 80)} is there twice")
    return document


def _whole_number(digits: str) -> int:
    # More do not fit into any number of the machine, and become an error only where they are used.
    if len(digits) > _MOST_DIGITS:
        raise DocumentError(f"a whole number has {len(digits)} digits")
    return int(digits)


def checked(
    document: Any,
    schema: Any,
    path: str | Path,
    error: type[MdfitError] = CheckpointError,
    remedy: str = _NOT_MADE_AGAIN,
) -> Any:
    """A document as ``schema``.

    Raises:
        error: when it is not of this type; the message names ``path``.
    """
    try:
        return TypeAdapter(schema).validate_python(document)
    except ValidationError as problem:
        first = problem.errors()[0]
        place = ".".join(map(str, first["loc"]))[:80]
        where = f"'{place}': " if place else ""
        raise error(f"{path} is damaged ({where}{first['msg']}): {remedy}") from None
    except RecursionError:
        raise error(f"{path} is damaged (too many levels): {remedy}") from None


def _check_text(document: Any) -> None:
    """Raises UnicodeEncodeError for halves of surrogate pairs, which could be read but not written again."""
    json.dumps(document, ensure_ascii=False, default=str, skipkeys=True).encode()


class DocumentError(ValueError):
    """YAML that cannot be used.

    Attributes:
        problem: what is wrong, in a few words.
        line: where, counted from 1; None when unknown.
    """

    def __init__(self, problem: str, line: int | None = None):
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.problem, self.line = problem, line


def parse_yaml(text: str) -> tuple[Any, Any]:
    """The content of a YAML text, and its node with the lines of everything (None when it is empty).

    Raises:
        DocumentError: for text that is not YAML, has a key twice, is nested too deeply, holds itself, or writes out too
            long.
    """
    import yaml

    try:
        loader = _loader()(text)
        node = loader.get_single_node()
        if node is None:
            return None, None
        _written_out(node, {}, ())
        return _constructed(loader, node), node
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(
            f"not valid YAML ({getattr(error, 'problem', None) or 'it is not text'}); check the indentation and the "
            "colons",
            None if mark is None else mark.line + 1,
        ) from error
    except RecursionError:
        raise DocumentError(f"it is nested more than {MOST_LEVELS} levels deep; write it flatter") from None
    except UnicodeEncodeError:
        raise DocumentError("it holds half of a character that has two parts; write the character itself") from None


def _constructed(loader: Any, node: Any) -> Any:
    """What a node stands for; dates, numbers and flags may only look like ones, or be declared to be ones."""
    try:
        document = loader.construct_document(node)
        _check_text(document)
        return document
    except UnicodeEncodeError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        # Only errors of values are written for users.
        what = shown(str(error)) if isinstance(error, ValueError) else "a value is not of the type that it names"
        raise DocumentError(f"not valid YAML ({what}); put text into quotation marks") from error


@functools.cache
def _loader() -> Any:
    """SafeLoader that takes 2e5 and 1e-3 for the numbers that they are; YAML 1.1 wants 2.0e+5."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    number = re.compile(r"[-+]?(?:[0-9][0-9_]*|[0-9]*\.[0-9]+)e[-+]?[0-9]+$", re.IGNORECASE)
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", number, list("-+.0123456789"))
    return Loader


def _written_out(node: Any, sizes: dict[int, int], above: tuple[int, ...]) -> int:
    """How many nodes a node has once its aliases are written out; each is looked at once."""
    import yaml

    line = node.start_mark.line + 1
    if id(node) in above:
        raise DocumentError("an alias stands inside what it refers to; write it out", line)
    if len(above) >= MOST_LEVELS:
        raise DocumentError(f"it is nested more than {MOST_LEVELS} levels deep; write it flatter", line)
    if id(node) not in sizes:
        children: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            _check_unique(node.value)
            children = [child for pair in node.value for child in pair]
        elif isinstance(node, yaml.SequenceNode):
            children = node.value
        total = 1 + sum(_written_out(child, sizes, (*above, id(node))) for child in children)
        if total > MOST_NODES:
            raise DocumentError(f"it stands for more than {MOST_NODES} values, with its aliases; make it shorter", line)
        sizes[id(node)] = total
    return sizes[id(node)]


def _check_unique(pairs: Any) -> None:
    """Before keys are merged into others, which may then be there once more."""
    import yaml

    known: set[str] = set()
    for key, _ in pairs:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in known:
                problem = f"the key {shown(repr(key.value), 80)} is there twice; remove one of them"
                raise DocumentError(problem, key.start_mark.line + 1)
            known.add(key.value)
