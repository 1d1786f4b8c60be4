"""The code on the page about beads runs, on a small system."""

import re
from pathlib import Path

import numpy as np

from mdfit.data import Frames

PAGE = Path(__file__).parents[2] / "docs/from_atoms_to_beads.md"


def blocks():
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_simulation_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = blocks()[0]
    for long, short in (("500", "200"), ("50 ps", "4 fs"), ("400 ps", "8 fs"), ("0.2 ps", "4 fs"), ("True", "False")):
        assert long in code
        code = code.replace(long, short)
    names = {"__name__": "__main__"}
    exec(code, names)
    assert len(names["frames"]) == len(Frames.read("water.h5")) == 2


def test_the_maps_work():
    species = np.tile([8, 1, 1], 500)
    frames = Frames(species, np.where(species == 8, 16.0, 1.0), np.zeros((1, 1500, 3)), np.eye(3), np.ones(3, bool))
    code = blocks()[2]
    water = {"frames": frames}
    exec(code.split("heavy =")[0], water)
    assert water["water_beads"].number_of_atoms == 1500
    solute = Frames([6] * 10 + [1] * 12, np.ones(22), np.zeros((1, 22, 3)), np.zeros((3, 3)), np.zeros(3, bool))
    names = {"frames": solute, "Mapping": water["Mapping"]}
    exec("heavy =" + code.split("heavy =")[1], names)
    assert names["dataset"].species == (1, 2, 3, 4, 5)
