"""The example of the README runs as it is printed, and gives what it says."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mdfit.graph import build_graph
from mdfit.potentials import evaluate
from mdfit.structure import Structure

README = Path(__file__).parents[1] / "README.md"
TRAINING_DATA = README.parent / "recipes" / "silicon_dft" / "data" / "Si_train.extxyz"


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def silicon(tmp_path, monkeypatch):
    """A small ``silicon.extxyz`` in an empty working directory."""
    from ase.io import read, write

    # Of one size, so that little is compiled.
    frames = [atoms for atoms in read(TRAINING_DATA, index=":", format="extxyz") if len(atoms) == 64]
    write(tmp_path / "silicon.extxyz", frames[::12], format="extxyz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_example_runs_as_printed(silicon, capsys):
    (example,) = examples()
    names: dict = {"__name__": "__main__"}
    exec(compile(example, str(README), "exec"), names)

    history = names["result"].history
    assert len(history) == 20
    assert history[-1]["validation_force_rmse"] < history[0]["validation_force_rmse"]
    printed = capsys.readouterr().out
    assert "0 errors" in printed
    assert re.search(r"\d ± [\d.]+ K \(effective samples: \d+\)", printed)
    assert re.search(r"\d ± [\d.]+ bar \(effective samples: \d+\)", printed)
    assert (silicon / "runs" / "silicon" / "best.mdfit").exists()
    # The saved potential gives ASE the energies of the trained one.
    potential = names["result"].potential
    prediction = evaluate(potential, build_graph(Structure.from_ase(bulk("Si")), potential.cutoff))
    np.testing.assert_allclose(names["atoms"].get_potential_energy(), float(prediction.energy[0]), rtol=1e-6)


def test_every_verb_and_link_exists():
    from mdfit.cli import main

    text = README.read_text(encoding="utf-8")
    verbs = set(re.findall(r"`mdfit (\w+)", text))
    assert verbs == set(main.commands)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (README.parent / link).exists(), link
