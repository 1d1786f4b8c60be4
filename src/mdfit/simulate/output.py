"""Frames on disk as a simulation goes: H5MD for any number of replicas, extended XYZ for one."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mdfit._version import __version__
from mdfit.errors import CheckpointError, OutputError, SimulationError
from mdfit.simulate.state_point import StatePoint
from mdfit.storage import fill_tree, read_header, write_tree

#: Frames between restart files.
RESTART_EVERY = 50
#: Bytes that must stay free beyond a frame, for the tables of an HDF5 file.
SPARE = 2**20

_UNITS = {"positions": "Å", "velocities": "Å/10.18fs", "cells": "Å", "potential_energies": "eV", "stresses": "eV Å-3"}


@dataclass(frozen=True)
class Plan:
    """How the frames come about; a run is only resumed with the same plan.  Times in fs, temperature in K, bar."""

    sampler: str
    temperature: float
    pressure: float | None
    timestep: float
    steps_of_equilibration: int
    steps_between_frames: int
    replicas: int
    number_format: str
    potential: str
    """:func:`mdfit.potentials.fingerprint.fingerprint`"""
    atoms: str
    """digest of elements, masses and periodic directions"""


#: What of a plan is a fingerprint, and how to say that it differs.
_FINGERPRINTS = {"potential": "another potential", "atoms": "other elements, masses or periodic directions"}


class Output(Protocol):
    """A trajectory file and its restart file."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        """Writes a frame; true when a restart file is due."""
        ...

    def frames(self) -> list[dict[str, np.ndarray]]:
        """The frames up to the restart file; later ones are removed."""
        ...

    def restart(self, skeleton: Any) -> Any:
        """The checkpoint of the restart file."""
        ...

    def write_restart(self, checkpoint: Any) -> None: ...


def open_output(out: str | Path | None, resume: bool, state_point: StatePoint, plan: Plan) -> Output | None:
    """The output for a path's ending.

    Raises:
        OutputError: for an unknown ending, a directory that cannot be written, or a file that would be overwritten.
        CheckpointError: when there is nothing to resume.
    """
    if out is None:
        if resume:
            raise CheckpointError("Only a run with an output file can be resumed; give out.")
        return None
    path = Path(out)
    kinds: dict[str, Any] = {".h5": H5MDOutput, ".h5md": H5MDOutput, ".xyz": XYZOutput, ".extxyz": XYZOutput}
    if path.suffix not in kinds:
        raise OutputError(f"Trajectories end in {', '.join(kinds)}, not {path.suffix or 'nothing'} ({path}).")
    for file in (path, restart_path(path)):
        if file.exists() and not resume:
            raise OutputError(f"{file} exists; resume the run, choose another name or delete the file.")
    if resume and not can_resume(path):
        missing = path if not path.exists() else restart_path(path)
        raise CheckpointError(f"There is no {missing} to resume; check the path.")
    if kinds[path.suffix] is XYZOutput and plan.replicas > 1:
        raise SimulationError(f"{path.suffix} files hold one replica; write {plan.replicas} replicas to a .h5 file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        output: Output = kinds[path.suffix](path, state_point, plan)
        return output
    except OSError as error:
        raise OutputError(f"Could not write {path}: {error.strerror or error}; choose another directory.") from error


def restart_path(out: str | Path) -> Path:
    """The restart file beside a trajectory."""
    return Path(out).with_name(Path(out).name + ".restart")


def can_resume(out: str | Path) -> bool:
    """Whether a run has left enough in ``out`` to go on: a restart file, and frames unless it stopped before the first.

    Raises:
        CheckpointError: when the restart file is damaged.
    """
    restart = restart_path(out)
    return restart.exists() and (Path(out).exists() or read_header(restart, CheckpointError)[0].get("frames") == 0)


class _Restartable(ABC):
    """The restart file beside a trajectory."""

    def __init__(self, path: Path, state_point: StatePoint, plan: Plan):
        self.path = path
        self.structure = state_point.structure
        self.plan = plan
        self.count = 0

    def write_restart(self, checkpoint: Any) -> None:
        header = {
            "format": "mdfit restart",
            "frames": self.count,
            # Without a frame there is no file yet.
            "bytes": self.path.stat().st_size if self.count else 0,
            "plan": dataclasses.asdict(self.plan),
        }
        write_tree(restart_path(self.path), checkpoint, header)

    def restart(self, skeleton: Any) -> Any:
        path = restart_path(self.path)
        return fill_tree(skeleton, read_header(path, CheckpointError)[1], path, CheckpointError)

    def frames(self) -> list[dict[str, np.ndarray]]:
        path = restart_path(self.path)
        header = read_header(path, CheckpointError)[0]
        if header.get("format") != "mdfit restart":
            raise CheckpointError(f"{path} is not a restart file of mdfit; start the run again.")
        self._check_plan(header["plan"])
        self.count = int(header["frames"])
        if self.count == 0:
            self.path.unlink(missing_ok=True)
            return []
        return self._read_frames(header)

    def _check_plan(self, before: dict[str, Any]) -> None:
        now = dataclasses.asdict(self.plan)
        different = [name for name in now if before.get(name) != now[name]]
        unknown = [name for name in _FINGERPRINTS if name not in before]
        if unknown:
            raise CheckpointError(
                f"{self.path} was written by an earlier version of mdfit, which did not note its {unknown[0]}, so that a "
                "change would not be seen; start the run again in another file."
            )
        if different:
            changes = ", ".join(
                _FINGERPRINTS.get(name) or f"{name.replace('_', ' ')} {before.get(name)} (now {now[name]})"
                for name in different
            )
            raise CheckpointError(
                f"{self.path} was written with {changes}; resume with the same settings or choose another file."
            )

    @abstractmethod
    def _read_frames(self, header: dict[str, Any]) -> list[dict[str, np.ndarray]]: ...

    def _due(self, last: bool) -> bool:
        # After the first frame, too, so that a long equilibration is never lost.
        return last or self.count == 1 or self.count % RESTART_EVERY == 0

    def _failed(self, error: OSError | RuntimeError) -> OutputError:
        reason = getattr(error, "strerror", None) or error
        return OutputError(
            f"Could not write frame {self.count} to {self.path}: {reason}; the frames before are intact. "
            "Free some space, then resume."
        )


class H5MDOutput(_Restartable):
    """H5MD 1.1 (P. de Buyl et al., Comput. Phys. Commun. 185, 1546 (2014), doi:10.1016/j.cpc.2014.01.018)."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        import h5py

        try:
            # HDF5 cannot recover a file whose disk filled up half-way through a write.
            needed = sum(array.nbytes for array in frame.values()) + SPARE
            if shutil.disk_usage(self.path.parent).free < needed:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with h5py.File(self.path, "a") as file:
                if "h5md" not in file:
                    self._describe(file, frame)
                for replica in range(len(frame["positions"])):
                    for name, group in self._groups(file, replica).items():
                        self._append_value(group, frame[name][replica])
        except (OSError, RuntimeError) as error:
            raise self._failed(error) from error
        self.count += 1
        return self._due(last)

    def _read_frames(self, header: dict[str, Any]) -> list[dict[str, np.ndarray]]:
        import h5py

        columns: dict[str, list[np.ndarray]] = {name: [] for name in _UNITS}
        with self._readable(h5py) as file:
            for replica in range(self.plan.replicas):
                for name, group in self._groups(file, replica).items():
                    for dataset in group.values():
                        dataset.resize(self.count, axis=0)
                    columns[name].append(group["value"][:])
        arrays = {name: np.stack(values) for name, values in columns.items()}
        return [{name: array[:, index] for name, array in arrays.items()} for index in range(self.count)]

    def _readable(self, h5py):
        try:
            return h5py.File(self.path, "r+")
        except OSError as error:
            raise CheckpointError(
                f"{self.path} cannot be read ({error}); start the run again in another file."
            ) from error

    def _describe(self, file, frame) -> None:
        header = file.create_group("h5md")
        header.attrs["version"] = np.array([1, 1])
        header.create_group("author").attrs["name"] = "mdfit"
        creator = header.create_group("creator")
        creator.attrs["name"], creator.attrs["version"] = "mdfit", __version__
        for replica in range(len(frame["positions"])):
            group = file.create_group(f"particles/replica_{replica}")
            group["species"], group["mass"] = self.structure.species, self.structure.masses
            box = group.create_group("box")
            box.attrs["dimension"] = 3
            box.attrs["boundary"] = ["periodic" if flag else "none" for flag in self.structure.periodic]
            for name, element in self._groups(file, replica, create=True).items():
                shape = np.shape(frame[name][replica])
                data = element.create_dataset(
                    "value", (0, *shape), np.asarray(frame[name]).dtype, maxshape=(None, *shape)
                )
                data.attrs["unit"] = _UNITS[name]
                element.create_dataset("step", (0,), np.int64, maxshape=(None,))
                element.create_dataset("time", (0,), np.float64, maxshape=(None,)).attrs["unit"] = "fs"

    def _groups(self, file, replica: int, create: bool = False):
        places = {
            "positions": f"particles/replica_{replica}/position",
            "velocities": f"particles/replica_{replica}/velocity",
            "cells": f"particles/replica_{replica}/box/edges",
            "potential_energies": f"observables/replica_{replica}/potential_energy",
            "stresses": f"observables/replica_{replica}/stress",
        }
        return {name: file.require_group(place) if create else file[place] for name, place in places.items()}

    def _append_value(self, group, value: np.ndarray) -> None:
        step = (self.count + 1) * self.plan.steps_between_frames
        for name, item in (("value", value), ("step", step), ("time", step * self.plan.timestep)):
            dataset = group[name]
            dataset.resize(self.count + 1, axis=0)
            dataset[self.count] = item


class XYZOutput(_Restartable):
    """Extended XYZ, readable by ASE and OVITO."""

    def append(self, frame: dict[str, np.ndarray], last: bool) -> bool:
        from ase.io import write

        try:
            write(self.path, self._atoms(frame), format="extxyz", append=True)
        except OSError as error:
            raise self._failed(error) from error
        self.count += 1
        return self._due(last)

    def _read_frames(self, header: dict[str, Any]) -> list[dict[str, np.ndarray]]:
        from ase.io import read

        if self.path.stat().st_size < header["bytes"]:
            raise CheckpointError(
                f"{self.path} has lost frames since it was written; start the run again in another file."
            )
        os.truncate(self.path, header["bytes"])
        return [self._frame(atoms) for atoms in read(self.path, index=":", format="extxyz")]

    def _atoms(self, frame):
        from ase import Atoms
        from ase.calculators.singlepoint import SinglePointCalculator

        atoms = Atoms(
            self.structure.species, frame["positions"][0], cell=frame["cells"][0], pbc=self.structure.periodic
        )
        atoms.set_masses(self.structure.masses)
        atoms.set_velocities(frame["velocities"][0])
        stress = frame["stresses"][0]
        six = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        atoms.calc = SinglePointCalculator(atoms, energy=float(frame["potential_energies"][0]), stress=six)
        return atoms

    def _frame(self, atoms) -> dict[str, np.ndarray]:
        return {
            "positions": atoms.positions[None].astype(self.plan.number_format),
            "velocities": atoms.get_velocities()[None].astype(self.plan.number_format),
            "cells": atoms.cell.array[None],
            "potential_energies": np.array([atoms.get_potential_energy()]),
            "stresses": atoms.get_stress(voigt=False)[None],
        }
