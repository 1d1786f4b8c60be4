"""The examples of the page on uncertainty run, with sizes of seconds."""

import re
from pathlib import Path

import numpy as np

from mdfit.data import read
from mdfit.potentials import LastLayer, PotentialSet, ShallowEnsemble, load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "uncertainty.md").read_text(encoding="utf-8")
SMALL = {
    '"5 Å", key': '"4 Å", channels=4, layers=1, radial_functions=4, key',
    "members=8": "members=2",
    'training, "5 Å")': 'training, "4 Å", channels=4, layers=1, radial_functions=4)',
    "frames.split(0.8": "frames.split(0.6",
    "range(8)": "range(2)",
    "epochs=200": "epochs=1",
    "steps=20_000": "steps=12",
    "burn_in=10_000": "burn_in=4",
    "keep=2": "keep=4",
    'duration="20 ps"': 'duration="20 fs"',
    'every="50 fs"': 'every="2 fs"',
    'equilibrate="2 ps"': 'equilibrate="0 fs"',
    "with_known_spread(silicon, validation)": "with_known_spread(silicon, validation + validation)",
}


def test_an_ensemble_a_set_and_a_posterior(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = read(ROOT / "recipes" / "silicon_dft" / "data" / "Si_train.extxyz")
    small = sorted(frames, key=lambda frame: frame.structure.number_of_atoms)[:5]
    atoms = [frame.structure.to_ase() for frame in small]
    import ase.io

    for one, frame in zip(atoms, small, strict=True):
        one.info["REF_energy"] = frame.energy
        one.arrays["REF_forces"] = frame.forces
    ase.io.write("silicon.extxyz", atoms)
    ase.io.write("validation.extxyz", atoms)
    ase.io.write("start.extxyz", atoms[0])
    names: dict = {"__name__": "__main__"}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        for text, replacement in SMALL.items():
            code = code.replace(text, replacement)
        exec(compile(code, "uncertainty.md", "exec"), names)
    assert isinstance(load("silicon.mdfit"), PotentialSet)
    assert isinstance(load("silicon_uncertain.mdfit"), LastLayer)
    assert isinstance(load("shallow.mdfit"), ShallowEnsemble)
    assert names["samples"].by_chain(np.arange(8)).shape == (2, 4)
