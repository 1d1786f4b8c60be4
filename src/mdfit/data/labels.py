"""Which entries of a frame are the energy, the forces and the stress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mdfit.data.check_report import Finding
from mdfit.errors import DataError, nearest

if TYPE_CHECKING:
    from ase import Atoms

#: Names (in any case) that are recognised without being declared, the preferred one first.
RECOGNISED: Mapping[str, tuple[str, ...]] = {
    "energy": ("energy", "ref_energy", "dft_energy", "qm_energy", "free_energy", "total_energy", "potential_energy"),
    "forces": ("forces", "force", "ref_forces", "ref_force", "dft_forces", "dft_force", "qm_forces", "qm_force"),
    "stress": ("stress", "ref_stress", "dft_stress", "qm_stress"),
}
#: Energies that are no total energies of a potential: with the entropy of electrons, or with kinetic energy.
_OF_THEIR_OWN = {"free_energy", "total_energy"}
_VIRIALS = ("virial", "virials", "ref_virial", "ref_virials", "dft_virial", "dft_virials")


@dataclass(frozen=True)
class LabelKeys:
    """The names under which a file holds its labels; None where the file has none.

    Attributes:
        energy: name of the total energy (eV).
        forces: name of the forces (eV/Å).
        stress: name of the stress (eV/Å^3, tension positive).
        virial: name of the virial (eV, W = −V σ, compression positive), only when declared.
        unused: names that look like labels but were not used, because another name was preferred.
        others: names that were used in frames that lack the ones above.

    Example:
        >>> from ase import Atoms
        >>> from mdfit.data import read
        >>> Atoms("Ar2", [[0, 0, 0], [0, 0, 3.8]], info={"dft_energy": -0.01}).write("dimer.xyz")
        >>> read("dimer.xyz").keys
        LabelKeys(energy='dft_energy', forces=None, stress=None, virial=None, unused=(), others=())
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None
    virial: str | None = None
    unused: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


def entries(atoms: Atoms) -> dict[str, Any]:
    """Everything of a frame that may be a label, by name: ASE calculator results first, then info and arrays."""
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    arrays = {name: array for name, array in atoms.arrays.items() if name not in ("numbers", "positions")}
    found = {**arrays, **atoms.info, **results}
    return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class FoundKeys:
    """The names of labels, of the whole file and of each frame, and what is odd about them.

    Attributes:
        keys: of most frames.
        frames: of each frame, without ``unused`` and ``others``.
        findings: names that mix, and names that contradict each other.
    """

    keys: LabelKeys
    frames: tuple[LabelKeys, ...]
    findings: tuple[Finding, ...]


def find_keys(frames: Sequence[Mapping[str, Any]], declared: LabelKeys, where: str) -> FoundKeys:
    """Complete declared names by recognised ones, frame by frame.

    The name that most frames have is taken in all frames that have it; of names that equally many have, the first of
    :data:`RECOGNISED`. The other frames use the next one.

    Args:
        frames: the entries of every frame.
        declared: names given by the user; None to recognise them.
        where: the file, for messages.

    Raises:
        DataError: a declared name is in no frame, both stress and virial are declared, or there are neither energies
            nor forces.
    """
    names = {name for frame in frames for name in frame}
    if declared.stress and declared.virial:
        raise DataError(f"{where}: both a stress key and a virial key are declared: declare one of them.")
    for kind in ("energy", "forces", "stress", "virial"):
        name = getattr(declared, kind)
        if name is not None and name not in names:
            raise DataError(f"{where} has no '{name}' in any frame (declared as {kind} key): {nearest(name, names)}")
    ranked = {kind: _ranked(kind, getattr(declared, kind), frames) for kind in RECOGNISED}
    if not declared.energy:
        ranked["energy"] = _without_placeholders(ranked["energy"], frames)
    if declared.virial:
        ranked["stress"] = []
    if not ranked["energy"] and not ranked["forces"]:
        raise DataError(
            f"{where} holds neither energies nor forces under a recognised name: declare energy_key or forces_key; "
            f"{nearest('energy', names)}"
        )
    chosen = {
        kind: [next((name for name in order if name in frame), None) for frame in frames]
        for kind, order in ranked.items()
    }
    used = {name for column in chosen.values() for name in column if name} | {declared.virial}
    first = {kind: order[0] if order else None for kind, order in ranked.items()}
    similar = {*_VIRIALS, *(name for recognised in RECOGNISED.values() for name in recognised)}
    keys = LabelKeys(
        energy=first["energy"],
        forces=first["forces"],
        stress=first["stress"],
        virial=declared.virial,
        unused=tuple(sorted(name for name in names if name.lower() in similar and name not in used)),
        others=tuple(sorted(name for name in used if name and name not in first.values() and name != declared.virial)),
    )
    rows = zip(*(chosen[kind] for kind in ("energy", "forces", "stress")), strict=True)
    findings = [finding for kind, order in ranked.items() for finding in _oddities(kind, order, chosen[kind], frames)]
    return FoundKeys(
        keys,
        tuple(LabelKeys(energy, forces, stress, declared.virial) for energy, forces, stress in rows),
        tuple(findings),
    )


def _ranked(kind: str, declared: str | None, frames: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of a label in the file: the one that was declared, or those that are recognised, the commonest first."""
    if declared:
        return [declared]
    counts: dict[str, int] = {}
    for frame in frames:
        for name in frame:
            if name.lower() in RECOGNISED[kind]:
                counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], RECOGNISED[kind].index(name.lower()), name))


def _without_placeholders(order: list[str], frames: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of energies, those last that are exactly zero wherever they are, as some programs fill them in."""

    def is_zero(name: str) -> bool:
        values = [frame[name] for frame in frames if name in frame]
        return len(values) > 1 and all(isinstance(value, (int, float, np.number)) and value == 0 for value in values)

    return sorted(order, key=is_zero)


def _oddities(
    kind: str, order: list[str], chosen: Sequence[str | None], frames: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    """Frames that take the label from another name than most do, and frames whose names contradict each other."""
    findings = []
    others = tuple(number for number, name in enumerate(chosen) if name is not None and name != order[0])
    if others:
        names = ", ".join(f"'{name}' in {chosen.count(name)}" for name in order if name in chosen)
        message = (
            f"the label {kind} has different names ({names} frames): make sure that all are of one method, or declare "
            "the one that is meant"
        )
        findings.append(Finding("warning", "mixed-names", message, others))
    differing = [
        (number, name, other)
        for number, (frame, name) in enumerate(zip(frames, chosen, strict=True))
        for other in order
        if name is not None and other in frame and other != name and _contradict(name, other, frame)
    ]
    if differing:
        _, name, other = differing[0]
        message = (
            f"'{name}' is taken as {kind}, but '{other}' of the same frame has another value: declare the one that is "
            f"meant, as by --{kind}-key {name}"
        )
        findings.append(Finding("warning", "conflicting-names", message, tuple(sorted({row[0] for row in differing}))))
    return findings


def _contradict(name: str, other: str, frame: Mapping[str, Any]) -> bool:
    """Whether two names of one label have different values; free and total energies differ by their nature."""
    if {name.lower(), other.lower()} & _OF_THEIR_OWN:
        return False
    try:
        first, second = (np.asarray(frame[key], np.float64) for key in (name, other))
    except (TypeError, ValueError):
        return True
    return first.size != second.size or not np.allclose(first.ravel(), second.ravel(), rtol=1e-6, atol=1e-6)


def read_energy(frame: Mapping[str, Any], key: str | None, where: str) -> float | None:
    """Energy in eV, or None when the frame has none."""
    value = _numbers(frame, key, where)
    if value is None:
        return None
    if value.size != 1:
        raise DataError(f"{where}: '{key}' has shape {value.shape}, but an energy is one number: declare another key.")
    return float(value.reshape(()))


def read_forces(frame: Mapping[str, Any], key: str | None, atoms: int, where: str) -> np.ndarray | None:
    """Forces in eV/Å of shape [N, 3], or None when the frame has none."""
    value = _numbers(frame, key, where)
    if value is not None and value.size == 3 * atoms:
        value = value.reshape(atoms, 3) if value.shape != (3, atoms) or atoms == 3 else value.T
    if value is not None and value.shape != (atoms, 3):
        raise DataError(f"{where}: '{key}' has shape {value.shape}, but forces need {(atoms, 3)}: declare another key.")
    return value


def read_stress(frame: Mapping[str, Any], keys: LabelKeys, volume: float, where: str) -> np.ndarray | None:
    """Stress in eV/Å^3 of shape [3, 3], tension positive, or None when the frame has none.

    Six numbers are in the order xx, yy, zz, yz, xz, xy (Voigt's, as in ASE), nine are the full tensor. A virial is
    converted by σ = −W / V.
    """
    key = keys.virial or keys.stress
    value = _numbers(frame, key, where)
    if value is None:
        return None
    if value.size == 6:
        xx, yy, zz, yz, xz, xy = value.ravel()
        value = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if value.size != 9:
        raise DataError(f"{where}: '{key}' has shape {value.shape}, but 3 by 3, 9 or 6 numbers are needed.")
    value = value.reshape(3, 3)
    if np.abs(value - value.T).max() > 1e-3 * np.abs(value).max() + 1e-6:
        raise DataError(f"{where}: '{key}' is not symmetric, so it cannot be a stress: declare another key.")
    value = 0.5 * (value + value.T)
    return -value / volume if keys.virial else value


def _numbers(frame: Mapping[str, Any], key: str | None, where: str) -> np.ndarray | None:
    if key is None or key not in frame:
        return None
    try:
        if np.asarray(frame[key]).dtype == bool:
            raise TypeError
        value = np.array(frame[key], dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where}: '{key}' is {frame[key]!r}, which is no number: correct it or remove it.") from None
    if not np.all(np.isfinite(value)):
        place = "" if value.ndim == 0 else f" at {[int(i) for i in np.argwhere(~np.isfinite(value))[0]]}"
        raise DataError(
            f"{where}: the label '{key}' is not finite{place} (NaN or infinite): correct it, or remove it from this "
            "frame (frames may lack labels)."
        )
    return value
