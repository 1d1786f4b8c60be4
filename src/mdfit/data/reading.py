"""Read labelled structures from files."""

from __future__ import annotations

from pathlib import Path

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
    """Read labelled structures from extended XYZ (plain or ``.gz``) or any other format that ASE reads.

    Energies are total energies in eV, forces in eV/Å, stress in eV/Å^3 with tension positive, σ = (1/V) dE/dε. Keys
    that are not declared are recognised by their names (``energy``, ``REF_energy``, ``dft_forces`` ..., in any case;
    ASE's own ``energy``, ``forces`` and ``stress`` are preferred); ``dataset.keys`` tells which ones were taken. Labels
    are optional per frame. A stress of a frame that is not periodic in all three directions has no meaning and is
    ignored; ``dataset.check()`` counts them.

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
    keys = find_keys(found, LabelKeys(energy_key, forces_key, stress_key, virial_key), str(path))
    frames, without_cell = [], []
    for number, (frame, values) in enumerate(zip(atoms, found, strict=True)):
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
                info={name: value for name, value in frame.info.items() if name not in _label_names(keys)},
            )
        )
    return Dataset(tuple(frames), keys=keys, source=str(path), ignored_stress=tuple(without_cell))


def _label_names(keys: LabelKeys) -> set[str | None]:
    return {keys.energy, keys.stress, keys.virial}
