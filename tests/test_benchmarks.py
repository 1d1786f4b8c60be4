"""The benchmarks of mdfit itself find what they import; how fast it is no test says."""

import importlib.util
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parents[1] / "benchmarks").glob("ours_*.py"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_can_be_imported(path, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert callable(module.main)
