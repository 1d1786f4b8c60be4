"""What a file says of a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import StringConstraints, ValidationError

from mdfit.errors import MeasurementError, ObservableError, UnitError, nearest, shown
from mdfit.measurements.curves import read_curve
from mdfit.measurements.values import Values
from mdfit.observables import Observable
from mdfit.observables.registry import observable_from
from mdfit.storage import Document, DocumentError, parse_yaml
from mdfit.units import quantity

_TABLES = (".csv",)
_DOCUMENTS = (".yaml", ".yml")


class MeasurementDocument(Document):
    """What a YAML file says of a measurement.

    Attributes:
        observable: its name, or ``{name: {argument: value}}``.
        values: numbers, quantities, one for each label, or the name of a file with a curve.
        standard_uncertainty: of the values, in the same forms.
        unit: of bare numbers.
        temperature: in K, or with a unit.
        pressure: in bar, or with a unit.
        doi: of the publication.
        note: for readers.
    """

    observable: Any = None
    values: Any
    standard_uncertainty: Any = None
    unit: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None
    temperature: int | float | str | None = None
    pressure: int | float | str | None = None
    doi: str | None = None
    note: str | None = None


@dataclass(frozen=True, eq=False)
class Record:
    """A measured value as it was given, with all that is known of it.

    Attributes:
        values: in any form that :class:`~mdfit.measurements.Measurement` takes but a path.
        uncertainties: standard uncertainties.
        temperature: in K.
        pressure: in bar.
        doi: of the publication.
        source: the file, empty when there is none.
    """

    values: Values
    uncertainties: Values | None = None
    temperature: float | None = None
    pressure: float | None = None
    doi: str = ""
    source: str = ""


def is_file(value: Any) -> bool:
    """Whether a value is the path of a file."""
    return isinstance(value, Path) or (isinstance(value, str) and value.lower().endswith(_TABLES + _DOCUMENTS))


def record_of(path: Path, observable: Observable) -> Record:
    """The measurement of an observable in a CSV or YAML file.

    Raises:
        MeasurementError: for a file that cannot be read or is of another observable.
    """
    if path.suffix.lower() in _TABLES:
        values, uncertainties = read_curve(path, observable).on(observable)
        return Record(values, uncertainties, source=str(path))
    if path.suffix.lower() not in _DOCUMENTS:
        raise MeasurementError(f"{path} is neither CSV nor YAML (.csv, .yaml); convert it.")
    content = _document(path)
    named = content.observable
    kind = next(iter(named)) if isinstance(named, dict) and named else named
    if kind is not None and kind != type(observable).__name__:
        raise MeasurementError(
            f"{path} is a measurement of {kind}, not of {type(observable).__name__}; choose another file."
        )
    return _record(path, content, observable)


def observable_in(path: Path) -> Observable:
    """The observable that a YAML file names.

    Raises:
        MeasurementError: when it names none, or one that does not exist.
    """
    named = _document(path).observable
    if named is None:
        raise MeasurementError(f"{path} names no observable; add one, such as observable: Pressure.")
    try:
        return observable_from(named)
    except (ObservableError, UnitError) as error:
        raise MeasurementError(f"{path}: {error}") from error


def _document(path: Path) -> MeasurementDocument:
    try:
        content, _ = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementError(f"{path} cannot be read ({error}); check the path.") from error
    except DocumentError as error:
        where = "" if error.line is None else f" line {error.line}"
        raise MeasurementError(f"{path}{where}: {error.problem}.") from error
    if not isinstance(content, dict):
        keys = ", ".join(MeasurementDocument.model_fields)
        raise MeasurementError(f"{path} holds no measurement: it must be a YAML mapping with the keys {keys}.")
    try:
        document = MeasurementDocument.model_validate(content)
    except ValidationError as error:
        raise MeasurementError(f"{path} {_problem(error.errors()[0])}") from None
    if document.values is None:
        raise MeasurementError(f"{path} {_NO_VALUES}")
    return document


_NO_VALUES = "has no values; add them, such as values: [1.0, 2.0]."


def _problem(item: Any) -> str:
    """The end of a sentence that begins with the file."""
    key, kind = str(item["loc"][0]), item["type"]
    if kind == "extra_forbidden":
        return f"has an unknown key {key!r}: {nearest(key, MeasurementDocument.model_fields)}"
    if kind == "missing":
        return _NO_VALUES
    given = shown(repr(item["input"]))
    return f"has {key}: {given}, which it cannot be ({item['msg']}); write it as text, such as unit: GPa."


def _record(path: Path, content: MeasurementDocument, observable: Observable) -> Record:
    values, uncertainties, unit = content.values, content.standard_uncertainty, content.unit
    if observable.unit and unit is None and (_bare(values) or _bare(uncertainties)):
        raise MeasurementError(f"{path} has numbers without a unit; add one, such as unit: {observable.unit}.")
    try:
        values, uncertainties = _with_unit(values, unit), _with_unit(uncertainties, unit)
        if is_file(values):
            curve = record_of(path.parent / values, observable)
            values = curve.values
            uncertainties = curve.uncertainties if uncertainties is None else uncertainties
        return Record(
            values=values,
            uncertainties=uncertainties,
            temperature=_optional(content.temperature, "K", f"{path}, temperature"),
            pressure=_optional(content.pressure, "bar", f"{path}, pressure"),
            doi=content.doi or "",
            source=str(path),
        )
    except UnitError as error:
        raise MeasurementError(f"{path}: {error}") from error


def _optional(value: float | str | None, unit: str, name: str) -> float | None:
    return None if value is None else float(quantity(value, unit, name))


def _with_unit(values: Any, unit: str | None) -> Any:
    """Bare numbers with their unit; the rest as it is."""
    if isinstance(values, dict):
        return {label: _with_unit(value, unit) for label, value in values.items()}
    if isinstance(values, list):
        return [_with_unit(value, unit) for value in values]
    return f"{values} {unit}" if unit and _bare(values) else values


def _bare(values: Any) -> bool:
    """Whether a value, or one of many, is a number without a unit; a file is not."""
    if isinstance(values, dict):
        return any(_bare(value) for value in values.values())
    if isinstance(values, list):
        return any(_bare(value) for value in values)
    try:
        float(values)
    except (TypeError, ValueError):
        return False
    return True
