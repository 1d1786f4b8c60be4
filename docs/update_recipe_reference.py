"""Writes the tables of docs/recipes.md from the schema; a test compares them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mdfit.recipes import schema

PAGE = Path(__file__).parent / "recipes.md"
BEGIN, END = "<!-- reference: begin -->", "<!-- reference: end -->"
SECTIONS: dict[str, type[BaseModel]] = {
    "the recipe": schema.Recipe,
    "data": schema.Data,
    "potential": schema.PotentialChoice,
    "training": schema.Training,
    "training.optimizer": schema.Optimizer,
    "uncertainty": schema.Uncertainty,
    "simulations.NAME": schema.SimulationChoice,
    "simulations.NAME.structure": schema.StructureChoice,
    "crystal": schema.Crystal,
    "properties": schema.Properties,
}
QUANTITIES = {"Length": "Å", "Time": "fs", "Temperature": "K", "Pressure": "bar", "Friction": "1/ps"}


def reference() -> str:
    """One heading and one table per section."""
    return "\n\n".join(_section(name, model) for name, model in SECTIONS.items())


def page_with_reference(text: str) -> str:
    """The page with its tables replaced by those of the schema."""
    pattern = re.escape(BEGIN) + ".*" + re.escape(END)
    return re.sub(pattern, lambda _: f"{BEGIN}\n\n{reference()}\n\n{END}", text, flags=re.DOTALL)


def _section(name: str, model: type[BaseModel]) -> str:
    title = name if name == "the recipe" else f"`{name}`"
    rows = [_row(key, field) for key, field in model.model_fields.items()]
    head = "| key | value | default | meaning |\n| --- | --- | --- | --- |"
    return f"### {title[0].upper() + title[1:]}\n\n{model.__doc__}\n\n{head}\n" + "\n".join(rows)


def _row(key: str, field: FieldInfo) -> str:
    return f"| `{key}` | {_value(field)} | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if isinstance(default, BaseModel) or default is PydanticUndefined:
        return "its defaults"
    if default is None or default in ({}, [], ""):
        return "none"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{list(default) if isinstance(default, tuple) else default}`"


def _value(field: FieldInfo) -> str:
    text = _type(field.annotation, field.metadata)
    return text.replace("|", "\\|")


def _type(annotation: Any, metadata: list[Any]) -> str:
    for unit, known in ((unit, getattr(schema, name)) for name, unit in QUANTITIES.items()):
        if any(item in metadata for item in known.__metadata__):
            return f"quantity ({unit})"
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if hasattr(annotation, "__metadata__"):
        limits = [limit for item in annotation.__metadata__ for limit in getattr(item, "metadata", [])]
        return _type(annotation.__origin__, [*annotation.__metadata__, *limits])
    if type(None) in get_args(annotation):
        return _type(next(a for a in get_args(annotation) if a is not type(None)), metadata)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        return f"list of {_type(arguments[0], [])}"
    if origin is tuple:
        return f"{len(arguments)} whole numbers"
    if origin is dict:
        return f"mapping to {_type(arguments[1], [])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    name = {Any: "anything", str: "text", int: "whole number", float: "number", bool: "`true`, `false`"}[annotation]
    limits = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [f"{sign} {_number(getattr(item, attribute))}" for item in metadata for attribute, sign in limits.items()
             if getattr(item, attribute, None) is not None]  # fmt: skip
    return " ".join([name, ", ".join(found)]).strip()


def _number(value: float) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:g}"


if __name__ == "__main__":
    PAGE.write_text(page_with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
