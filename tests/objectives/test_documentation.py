"""The example of docs/learning_from_experiment.md runs, and learns."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "learning_from_experiment.md"


def test_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names: dict = {"__name__": "__main__"}
    exec(compile(block, str(PAGE), "exec"), names)
    history = names["result"].history
    assert len(history) == 3
    assert history[-1]["loss"] < history[0]["loss"]
    logged = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {"effective_size", "recomputed"} <= logged & set(history[0])
