"""The example of docs/coarse_graining.md runs, and its model has the populations of its reference."""

import re
from pathlib import Path

import numpy as np

from mdfit.observables import estimate
from mdfit.potentials import predict

PAGE = Path(__file__).parents[2] / "docs" / "coarse_graining.md"


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    example, bias = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict = {"__name__": "__main__"}
    exec(compile(example, str(PAGE), "exec"), names)
    assert "instead of" in capsys.readouterr().out
    found, exact = (float(estimate(names["trans"], names[run]).value[0]) for run in ("own", "trajectory"))
    assert abs(found - exact) < 0.12, (found, exact)
    assert len(names["refined"].history) == 4
    exec(compile(bias, str(PAGE), "exec"), names)
    # The opposite of what three basins ask for: trans, the deepest, is raised most.
    energies = [frame.energy for frame in predict(names["bias"], names["bare"])]
    inside = np.cos(names["angles"]) < -0.5
    assert np.mean(np.array(energies)[inside]) > np.mean(np.array(energies)[~inside])
