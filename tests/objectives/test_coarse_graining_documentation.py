"""The example of docs/coarse_graining.md runs, and its model has the populations of its reference."""

import re
from pathlib import Path

from mdfit.observables import estimate

PAGE = Path(__file__).parents[2] / "docs" / "coarse_graining.md"


def test_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(compile(block, str(PAGE), "exec"), names)
    assert "instead of" in capsys.readouterr().out
    found, exact = (float(estimate(names["trans"], names[run]).value[0]) for run in ("own", "trajectory"))
    assert abs(found - exact) < 0.12, (found, exact)
    assert len(names["refined"].history) == 4
