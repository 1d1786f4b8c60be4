"""Runs whose every number is known, in the files that a recipe leaves."""

import json

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from mdfit.data import read
from mdfit.objectives.accuracy import compare
from mdfit.potentials.dataset_predictions import FramePrediction
from mdfit.provenance import environment
from mdfit.recipes.loading import LoadedRecipe, load_recipe
from mdfit.recipes.metrics import Metric, accuracy_metrics, write_metrics
from mdfit.recipes.runner import _save_accuracy
from mdfit.recipes.simulation_metrics import simulation_metrics
from mdfit.simulate import Trajectory
from mdfit.structure import Conditions
from mdfit.units import BOLTZMANN, GIGAPASCAL

RECIPE = """
title: Carbide & <silicon>
description: Numbers made by a random generator.
data:
  train: data.extxyz
  tests: {test_300K: data.extxyz}
  groups: [group]
training: {epochs: 30}
simulations:
  liquid:
    {structure: {file: data.extxyz}, temperature: 300 K, duration: 1 ps, every: 10 fs, replicas: 2, rdf_maximum: 4 Å}
  nve: {structure: {file: data.extxyz}, sampler: NVE, temperature: 300 K, duration: 1 ps, every: 10 fs}
properties:
  crystal: {element: Si, lattice: diamond, a: 5.45}
  reference: {static/lattice_constant: 5.43, static/C11: 166, static/C12: 64, static/bulk_modulus: 98}
published: published.csv
"""

PUBLISHED = """model,300K_energy_meV,300K_force_meV_per_A,600K_force_meV_per_A
"Net(L=3),new",3.3,10.8,26.4
Old,,27.1,64.3
"""


def run_directory(place, frames=12):
    """The recipe with its data, and a directory of a run that has just begun."""
    place.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    crystals = []
    for index in range(frames):
        atoms = bulk("SiC", "zincblende", a=4.36, cubic=True)
        atoms.rattle(0.1, seed=index)
        labels = {"energy": random.normal(-50, 2), "forces": random.normal(0, 1, (8, 3))}
        atoms.calc = SinglePointCalculator(atoms, stress=random.normal(0, 0.02, 6), **labels)
        atoms.info["group"] = ("bulk", "surface <100>", "bulk")[index % 3]
        crystals.append(atoms)
    ase.io.write(place / "data.extxyz", crystals)
    (place / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (place / "published.csv").write_text(PUBLISHED, encoding="utf-8")
    loaded = load_recipe(place / "recipe.yaml")
    loaded.write(place / "run")
    return loaded, place / "run"


def _write_training(run, epochs: int) -> None:
    """The log and the record of a training run."""
    directory = run / "fit"
    directory.mkdir()
    lines = []
    for epoch in range(1, epochs + 1):
        decay = np.exp(-epoch / 8)
        record = {"step": 10 * epoch, "epoch": epoch, "loss": decay, "energy_rmse": 0.1 * decay, "forces_rmse": decay}
        record |= {"stress_rmse": 0.0}
        if epoch % 5 == 0:
            errors = {"energy_rmse": 120 * decay, "energy_mae": 90 * decay, "force_rmse": decay, "force_mae": decay}
            record |= {
                "validation_loss": 1.2 * decay,
                **{f"validation_{name}": value for name, value in errors.items()},
            }
        lines.append(json.dumps(record) + "\n")
    (directory / "log.jsonl").write_text("".join(lines))
    status = {"status": "finished" if epochs >= 30 else "running", "environment": environment()}
    (directory / "run.json").write_text(json.dumps(status))


def predictions(dataset, force_error=0.1):
    """Labels with errors: 8 meV in the total energy, and of the given size in force components."""
    random = np.random.default_rng(1)
    return [
        FramePrediction(
            frame.energy + 0.008 * random.choice([-1, 1]),
            frame.forces + force_error * random.choice([-1, 1], frame.forces.shape),
            frame.stress + random.normal(0, GIGAPASCAL, (3, 3)),
        )
        for frame in dataset
    ]


def trajectory(ensemble: str, replicas: int) -> Trajectory:
    """Atoms that vibrate independently, with an energy that rises by 1 meV per atom and ps."""
    random = np.random.default_rng(2)
    crystal = bulk("SiC", "zincblende", a=4.36, cubic=True) * (2, 2, 2)
    masses = crystal.get_masses()
    shape = (replicas, 100, len(crystal), 3)
    velocities = random.normal(size=shape) * np.sqrt(BOLTZMANN * 300 / masses)[:, None]
    times = 10.0 * np.arange(1, 101)
    kinetic = 0.5 * np.sum(velocities**2, axis=-1) @ masses
    return Trajectory(
        times=times,
        positions=crystal.positions + random.normal(0, 0.1, shape),
        velocities=velocities,
        cells=np.broadcast_to(crystal.cell.array, (replicas, 100, 3, 3)).copy(),
        potential_energies=len(crystal) * (-6 + 1e-6 * times) - kinetic,
        stresses=random.normal(0, 0.005, (replicas, 100, 3, 3)),
        species=crystal.numbers.astype(np.int32),
        masses=masses,
        periodic=np.ones(3, bool),
        degrees_of_freedom=3 * len(crystal),
        conditions=Conditions(ensemble, 300.0),
        timestep=1.0,
    )


def finish(loaded: LoadedRecipe, run) -> None:
    """Everything after the training."""
    dataset = read(loaded.path("data.extxyz"))
    errors = compare(predictions(dataset), dataset)
    _save_accuracy(run / "tests" / "test_300K.npz", errors, dataset, ["group"])
    metrics = accuracy_metrics("test_300K", errors, "eV/Å")
    (run / "simulations").mkdir()
    for name, ensemble, replicas in (("liquid", "NVT", 2), ("nve", "NVE", 1)):
        simulated = trajectory(ensemble, replicas)
        metrics |= simulation_metrics(name, loaded.recipe.simulations[name], simulated, run / "simulations")
    volumes = np.linspace(18, 22, 9)
    np.savez(run / "properties.npz", volumes=volumes, energies=-5 + 0.5 * 0.6 / 20 * (volumes - 20.0) ** 2)
    metrics |= {"static/lattice_constant": Metric(5.46, None, "Å"), "static/C11": Metric(150.0, None, "GPa")}
    write_metrics(run / "metrics.json", metrics)
    (run / "data_check.txt").write_text(str(dataset.check(5.0)) + "\n", encoding="utf-8")
    wall = {"training": 2400.0, "simulation liquid": 61.4, "properties": 3.21}
    seconds = {"wall": wall, "cpu": {stage: 1.5 * time for stage, time in wall.items()}}
    (run / "seconds.json").write_text(json.dumps(seconds))
    (run / "run.json").write_text(json.dumps({"seconds": seconds, "environment": environment()}))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    loaded, run = run_directory(tmp_path_factory.mktemp("finished") / "carbide")
    _write_training(run, 30)
    finish(loaded, run)
    return run


@pytest.fixture
def started_run(tmp_path):
    _, run = run_directory(tmp_path / "carbide", frames=2)
    return run


@pytest.fixture(scope="session")
def write_training():
    """Writes so many epochs of training into the directory of a run."""
    return _write_training
