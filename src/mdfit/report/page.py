"""The page of a run: one self-contained HTML file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mdfit.report.figures import Panel, Picture, picture
from mdfit.report.tables import MetricRow, Table, readable


@dataclass(frozen=True)
class Section:
    """A titled part of the page: pictures and tables, each table with a heading."""

    title: str
    pictures: list[Picture]
    tables: list[tuple[str, Table]]
    text: str = ""


@dataclass(frozen=True)
class Page:
    """What a report shows.

    Attributes:
        title: heading.
        scale: of the recipe; none without.
        description: what the run is about, in paragraphs.
        status: what is missing, in a sentence; empty for a complete run.
        metrics: rows of the results by the part of the table.
        sections: those without pictures and tables are left out.
        details: what is folded away: heading, a note, and text.
        provenance: names and values.
    """

    title: str
    scale: str | None
    description: list[str]
    status: str
    metrics: dict[str, list[MetricRow]]
    sections: list[Section]
    provenance: list[tuple[str, str]]
    details: list[tuple[str, str, str]] = field(default_factory=list)


def render(page: Page) -> str:
    """The page as HTML that needs no other file."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mdfit", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        page=page,
        with_reference=any(row.reference for rows in page.metrics.values() for row in rows),
        readable=readable,
        sections=[section for section in page.sections if section.pictures or section.tables],
    )


def pictures(panels: list[Panel]) -> list[Picture]:
    """Panels, drawn."""
    return [picture(panel) for panel in panels]


def flat(document: dict[str, Any]) -> list[tuple[str, str]]:
    """The entries of a document and of those in it, as names and values."""
    rows = []
    for name, value in document.items():
        if isinstance(value, dict):
            rows += flat(value)
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((name.replace("_", " "), text))
    return rows
