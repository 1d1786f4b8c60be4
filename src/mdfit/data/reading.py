"""Read labelled structures from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mdfit.data.check_report import Finding
from mdfit.data.dataset import Dataset, LabelledStructure
from mdfit.data.labels import LabelKeys, entries, find_keys, read_energy, read_forces, read_stress
from mdfit.errors import DataError, StructureError
from mdfit.structure import Structure, read_atoms


def read(
    path: str | Path,
    energy_key: str | None = None,
    forces_key: str | None = None,
    stress_key: str | None = None,
    virial_key: str | None = None,
    index: str | slice = ":",
) -> Dataset:
    """Read labelled structures from extended XYZ or any other format that ASE reads, compressed or not.

    Energies are total energies in eV, forces in eV/Å, stress in eV/Å^3 with tension positive, σ = (1/V) dE/dε. Keys
    that are not declared are recognised by their names (``energy``, ``REF_energy``, ``dft_forces`` ..., in any case):
    the name that most frames have, and another one in frames that lack it; ``dataset.keys`` tells which ones were taken,
    and ``dataset.findings`` where names mix or contradict each other. Labels are optional per frame. A stress of a frame
    that is not periodic in all three directions has no meaning and is ignored; ``dataset.check()`` counts them.

    Args:
        path: the file.
        energy_key: name of the energy in the file.
        forces_key: name of the forces.
        stress_key: name of the stress.
        virial_key: name of a virial in eV, W = −V σ (compression positive). Never recognised without being declared,
            because its sign differs between programs.
        index: which frames, as in ``ase.io.read``, e.g. ``"::10"``.

    Raises:
        DataError: the file is missing or damaged, has neither energies nor forces, lacks a declared key, or a label
            is not finite or has the wrong shape.
        StructureError: a frame is not a valid structure.
    """
    atoms = read_atoms(path, index)
    found = [entries(frame) for frame in atoms]
    names = find_keys(found, LabelKeys(energy_key, forces_key, stress_key, virial_key), str(path))
    frames, without_cell = [], []
    for number, (frame, values, keys) in enumerate(zip(atoms, found, names.frames, strict=True)):
        where = f"{path}, frame {number}"
        try:
            structure = Structure.from_ase(frame)
        except StructureError as problem:
            raise StructureError(f"{where}: {problem}") from None
        if structure.number_of_atoms == 0:
            raise DataError(f"{where} has no atoms: remove the frame.")
        stress = read_stress(values, keys, structure.volume, where)
        if stress is not None and not structure.periodic.all():
            without_cell.append(number)
            stress = None
        frames.append(
            LabelledStructure(
                structure=structure,
                energy=read_energy(values, keys.energy, where),
                forces=read_forces(values, keys.forces, structure.number_of_atoms, where),
                stress=stress,
                info={
                    name: value
                    for name, value in frame.info.items()
                    if name not in (keys.energy, keys.stress, keys.virial)
                },
            )
        )
    zeros, placeholders = ((), ()) if energy_key else placeholder_energies(frames)
    for number in zeros:
        frames[number] = replace(frames[number], energy=None)
    return Dataset(
        tuple(frames),
        keys=names.keys,
        source=str(path),
        ignored_stress=tuple(without_cell),
        findings=names.findings + placeholders,
    )


def placeholder_energies(frames: Sequence[LabelledStructure]) -> tuple[tuple[int, ...], tuple[Finding, ...]]:
    """Frames whose energy is exactly zero although they have forces, as some programs fill it in, and a finding of them.

    A single one may be the zero of a relative energy: it counts where it is far from all others.
    """
    energies = {number: frame.energy for number, frame in enumerate(frames) if frame.energy is not None}
    zeros = [number for number, energy in energies.items() if energy == 0 and _is_pushed(frames[number])]
    others = [energy for energy in energies.values() if energy]
    far = bool(others) and (min(others) > 2 * np.ptp(others) or max(others) < -2 * np.ptp(others))
    if not zeros or (len(zeros) == 1 and not far) or len(energies) < 2:
        return (), ()
    where = f"all of {len(energies)}" if len(zeros) == len(energies) else f"{len(zeros)} of {len(energies)}"
    message = (
        f"the energy is exactly 0 in {where} frames although there are forces: it is a placeholder and not used; declare "
        "energy_key if it is meant"
    )
    return tuple(zeros), (Finding("warning", "placeholder-energy", message, tuple(zeros)),)


def _is_pushed(frame: LabelledStructure) -> bool:
    return frame.forces is not None and bool(np.any(frame.forces))
