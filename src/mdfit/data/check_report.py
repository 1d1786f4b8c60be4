"""What a check of a data set found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
_RANK = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing about a data set.

    Attributes:
        severity: ``error`` (do not train on this), ``warning`` (probably wrong) or ``note``.
        topic: a short stable name, such as ``stress-sign``.
        message: one sentence: what, where, the remedy.
        frames: the frames concerned; empty when it is about the whole set.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.1]], species=7)
        >>> finding = Dataset([LabelledStructure(dimer, energy=-9.0)] * 2).check().findings[0]
        >>> finding.severity, finding.topic, finding.frames
        ('warning', 'duplicates', (1,))
    """

    severity: Severity
    topic: str
    message: str
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        shown = ", ".join(str(frame) for frame in self.frames[:8]) + (", ..." if len(self.frames) > 8 else "")
        where = f" [{len(self.frames)} frame{'s' if len(self.frames) != 1 else ''}: {shown}]" if self.frames else ""
        return f"{self.severity.upper():8}{self.topic}: {self.message}{where}"


def renumbered(findings: tuple[Finding, ...], numbers: Mapping[int, int]) -> tuple[Finding, ...]:
    """The findings with other numbers of frames; those whose frames are all gone are left out."""
    moved = [
        replace(finding, frames=tuple(numbers[frame] for frame in finding.frames if frame in numbers))
        for finding in findings
    ]
    return tuple(new for new, old in zip(moved, findings, strict=True) if new.frames or not old.frames)


@dataclass(frozen=True)
class Range:
    """Range of a quantity over a data set: how many frames have it, and its least, mean and greatest value."""

    quantity: str
    unit: str
    frames: int
    minimum: float
    mean: float
    maximum: float


@dataclass(frozen=True)
class CheckReport:
    """Counts and ranges of a data set, and findings with the gravest first.

    Attributes:
        source: the file, or None.
        frames: number of frames.
        atoms: number of atoms in all frames together.
        elements: number of atoms for each chemical symbol.
        keys: the names under which labels were found.
        missing: number of frames without ``energy``, ``forces``, ``stress``.
        ranges: ranges of sizes and labels.
        findings: what was found.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> lengths = (1.0, 1.1, 1.2, 1.2)
        >>> dimers = [Structure.in_open_space([[0, 0, 0], [0, 0, x]], species=7) for x in lengths]
        >>> report = Dataset([LabelledStructure(dimer, energy=-9.0) for dimer in dimers]).check()
        >>> report.frames, report.elements, [finding.topic for finding in report.findings]
        (4, {'N': 8}, ['duplicates', 'missing-forces', 'energy-unchecked'])
    """

    source: str | None
    frames: int
    atoms: int
    elements: dict[str, int]
    keys: dict[str, Any]
    missing: dict[str, int]
    ranges: tuple[Range, ...]
    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(sorted(self.findings, key=lambda finding: _RANK[finding.severity])))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings that forbid training."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that are probably mistakes."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Findings that are worth knowing."""
        return tuple(finding for finding in self.findings if finding.severity == "note")

    def to_dict(self) -> dict[str, Any]:
        """All of it in plain types, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        elements = ", ".join(f"{symbol} {count}" for symbol, count in self.elements.items())
        labels = ", ".join(
            f"{kind} in {self.frames - count}" + (f" ('{self.keys[kind]}')" if self.keys.get(kind) else "")
            for kind, count in self.missing.items()
        )
        lines = [
            f"{self.source or 'data set'}: {self.frames} frames, {self.atoms} atoms ({elements})",
            f"labels: {labels}",
            "",
            f"{'quantity':26}{'unit':12}{'frames':>8}{'minimum':>14}{'mean':>14}{'maximum':>14}",
        ]
        lines += [
            f"{row.quantity:26}{row.unit:12}{row.frames:8d}{row.minimum:14.5g}{row.mean:14.5g}{row.maximum:14.5g}"
            for row in self.ranges
        ]
        lines += ["", *(str(finding) for finding in self.findings)]
        lines.append(f"{len(self.errors)} errors, {len(self.warnings)} warnings, {len(self.notes)} notes")
        return "\n".join(lines)
