"""A recipe that runs in seconds, and the modules of recipes that are programs."""

import sys
from pathlib import Path

import pytest

SILICON = Path(__file__).parents[2] / "recipes" / "silicon_dft" / "data" / "Si_test.extxyz"

TINY = """\
title: Tiny
data:
  train: train.extxyz
  validation_fraction: 0.25
  tests: {test: test.extxyz}
  groups: [group]
potential: {channels: 4, layers: 1, radial_functions: 3, cutoff: 3 Å, add: [ZBL]}
training:
  epochs: 2
  batch_size: 3
  average: 0.9
  optimizer: {learning_rate: 1.0e-3, warmup_steps: 0}
simulations:
  warm:
    structure: {crystal: {element: Si, lattice: diamond, a: 5.43 Å}}
    temperature: 100 K
    duration: 20 fs
    every: 2 fs
    rdf_maximum: 2.7 Å
  nve:
    structure: {end_of: warm}
    sampler: NVE
    duration: 12 fs
    every: 1 fs
scales:
  train:
    simulations: null
  double:
    precision: float64
"""


@pytest.fixture(scope="module")
def recipe_modules(request):
    """The modules in the ``FOLDER`` of a test file can be imported by their names."""
    folder = str(request.module.FOLDER)
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)


def _write(directory: Path, *changes: tuple[str, str]) -> Path:
    """The recipe, with some text replaced, and its data; frames of one size, so that little is compiled."""
    from ase.io import read, write

    frames = [atoms for atoms in read(SILICON, index=":", format="extxyz") if len(atoms) == 64][:12]
    directory.mkdir(parents=True, exist_ok=True)
    write(directory / "train.extxyz", frames[:8], format="extxyz")
    write(directory / "test.extxyz", frames[8:], format="extxyz")
    path = directory / "recipe.yaml"
    text = TINY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def write_tiny():
    """Writes the recipe to a directory."""
    return _write


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The directory of a run that nothing has stopped."""
    from mdfit.recipes import load_recipe, run_recipe

    directory = tmp_path_factory.mktemp("tiny")
    run_recipe(load_recipe(_write(directory)), directory / "run", show_progress=False)
    return directory / "run"
