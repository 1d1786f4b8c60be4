"""An empty directory for each test, with small files on request."""

import sys
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import read, write

from mdfit.potentials import StillingerWeber

sys.path.insert(0, str(Path(__file__).parent))

SILICON = Path(__file__).parents[2] / "recipes" / "silicon_dft" / "data" / "Si_test.extxyz"


@pytest.fixture(autouse=True)
def in_an_empty_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data() -> list:
    """Three small frames in ``good.extxyz``."""
    frames = sorted(read(SILICON, index=":", format="extxyz"), key=len)[:3]
    write("good.extxyz", frames, format="extxyz")
    return frames


@pytest.fixture
def silicon():
    StillingerWeber.silicon().save("sw.mdfit")
    write("crystal.extxyz", bulk("Si", cubic=True))
