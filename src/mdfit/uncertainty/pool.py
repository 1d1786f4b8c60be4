"""Structures to choose from, and those that were chosen, in files."""

from __future__ import annotations

import io
from pathlib import Path

from mdfit.data import Dataset, Frames, LabelledStructure
from mdfit.data.frame_files import particles_in
from mdfit.errors import DataError, OutputError, StructureError
from mdfit.simulate.trajectory import SPREADS
from mdfit.storage import write_text
from mdfit.structure import Structure, read_atoms
from mdfit.uncertainty.selection import Selection

#: Endings of trajectories in H5MD.
_H5MD = (".h5", ".h5md")


def read_pool(path: str | Path) -> Dataset:
    """The structures of a file: all frames of all replicas of a trajectory in H5MD, or what ASE reads; without labels.

    Raises:
        DataError: the file is missing, damaged, or holds no structures.
        StructureError: a frame is not a valid structure.
    """
    path = Path(path)
    if path.suffix.lower() in _H5MD:
        runs = [Frames.read(path, name) for name in particles_in(path)]
        structures = [run.structure(frame) for run in runs for frame in range(len(run))]
    else:
        structures = []
        for number, atoms in enumerate(read_atoms(path)):
            try:
                structures.append(Structure.from_ase(atoms))
            except StructureError as problem:
                raise StructureError(f"{path}, frame {number}: {problem}") from None
    if not structures:
        raise DataError(f"{path} holds no structures to choose from.")
    frames = tuple(LabelledStructure(structure.replace(velocities=None)) for structure in structures)
    return Dataset(frames, source=str(path))


def write_selected(path: str | Path, pool: Dataset, selection: Selection) -> None:
    """Writes the chosen structures as extended XYZ, the first one first, each with its place in the pool and its spread.

    Raises:
        OutputError: the file exists or cannot be written.
    """
    import ase.io

    path = Path(path)
    if path.exists():
        raise OutputError(f"{path} exists; move it away first, or choose another name.")
    images = []
    for index in selection.indices:
        atoms = pool[int(index)].structure.to_ase()
        told = {SPREADS[kind].removesuffix("s"): float(one[index]) for kind, one in selection.spreads.told().items()}
        atoms.info = {"pool_index": int(index), **told}
        images.append(atoms)
    text = io.StringIO()
    ase.io.write(text, images, format="extxyz")
    write_text(path, text.getvalue())
