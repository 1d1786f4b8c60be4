"""Every objective passes the shipped contract, and the contract finds faults that are planted."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mdfit.data import Dataset, LabelledStructure
from mdfit.measurements import Measurement
from mdfit.objectives import (
    Alternating,
    DiffTRe,
    Evaluation,
    ForceMatching,
    MappedEnsemble,
    Objective,
    RelativeEntropy,
)
from mdfit.observables import RDF, FreeEnergy, PotentialEnergy, Pressure
from mdfit.potentials import LennardJones
from mdfit.simulate import JaxMD, Langevin, StatePoint
from mdfit.structure import Structure
from mdfit.testing import OBJECTIVE_CONTRACT, ObjectiveCase, check_objective

SHORT = {"sample": "40 fs", "every": "10 fs", "equilibrate": "20 fs", "engine": JaxMD(dtype="float64")}
SAMPLER = Langevin("2 fs", "5 /ps")
MODEL = LennardJones(0.0104, 3.4, 5.0)


def argon(seed: int = 0) -> Structure:
    grid = np.stack(np.meshgrid(*[np.arange(2.0)] * 3), -1).reshape(-1, 3)
    shaken = 3.8 * grid + 0.1 * np.random.default_rng(seed).normal(size=(8, 3))
    return Structure(np.full(8, 18), shaken, 7.6 * np.eye(3), np.ones(3, bool), np.full(8, 39.95))


AT = StatePoint(argon(), 100.0)
WIDE = StatePoint(argon().repeat((2, 2, 2)), 100.0)


def labelled(number: int = 5, missing: bool = True) -> Dataset:
    random = np.random.default_rng(1)
    frames = [
        LabelledStructure(
            argon(index),
            energy=None if missing and index == 1 else float(random.normal(-0.1, 0.01)),
            forces=None if missing and index == 2 else random.normal(0, 0.05, (8, 3)),
            stress=np.diag(random.normal(0, 1e-4, 3)),
        )
        for index in range(number)
    ]
    return Dataset(tuple(frames))


def reference() -> MappedEnsemble:
    return MappedEnsemble.of(Dataset(tuple(LabelledStructure(argon(index)) for index in range(6))), 100.0)


def difftre(at=AT, **settings) -> DiffTRe:
    targets = [
        Measurement(PotentialEnergy(), -0.1, at, sigma=0.1),
        Measurement(Pressure(), "1 kbar", at, sigma="1 kbar"),
        Measurement(RDF(3.3, bins=8, smearing="0.1 Å"), np.ones(8), at, weight=1.0),
    ]
    return DiffTRe(targets, SAMPLER, fewest_samples=0.5, **{**SHORT, **settings})


def free_energy() -> DiffTRe:
    target = Measurement(FreeEnergy(LennardJones(0.010, 3.4, 5.0)), -0.1, AT, sigma=0.1)
    return DiffTRe([target], SAMPLER, fewest_samples=0.5, **SHORT)


def entropy(**settings) -> RelativeEntropy:
    return RelativeEntropy(reference(), SAMPLER, chains=3, batch=3, **SHORT, **settings)


CASES = {
    "force matching": ObjectiveCase(
        lambda: ForceMatching(labelled(), stress=10.0, batch_size=2, dtype=np.float64), MODEL
    ),
    "huber": ObjectiveCase(lambda: ForceMatching(labelled(), loss="huber", huber_delta=0.02, dtype=np.float64), MODEL),
    "DiffTRe": ObjectiveCase(difftre, MODEL),
    "DiffTRe with lists on the device": ObjectiveCase(
        lambda: difftre(engine=JaxMD("0.1 Å", neighbour_lists="device", dtype="float64"), at=WIDE), MODEL
    ),
    "free energy": ObjectiveCase(free_energy, MODEL),
    "Gauss-Newton": ObjectiveCase(lambda: difftre(gauss_newton=0.1), MODEL),
    "relative entropy": ObjectiveCase(entropy, MODEL),
    "relative entropy, weights": ObjectiveCase(lambda: entropy(start="weights", reuse=0.9), MODEL),
    "Newton": ObjectiveCase(lambda: entropy(newton=0.1), MODEL),
    "sum": ObjectiveCase(lambda: ForceMatching(labelled(), dtype=np.float64) + 0.1 * difftre(), MODEL),
    "turns": ObjectiveCase(
        lambda: Alternating([(1, difftre()), (2, ForceMatching(labelled(), dtype=np.float64))]), MODEL
    ),
}


@pytest.mark.parametrize("check", OBJECTIVE_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_contract(name, check, tmp_path):
    check(CASES[name], tmp_path)


class Parabola(Objective):
    """Σ (parameter − 1)² at the scale of a drawn number, with a fault that is planted."""

    def __init__(self, fault: str = ""):
        self.fault, self.used = fault, 0

    def identity(self):
        return (self.fault, self.used if self.fault == "changes when used" else 0)

    def initial_state(self, seed, parameters):
        return np.asarray(seed, np.int64)

    def draw(self, parameters, state):
        self.used += 1
        scale = 1.0 + (self.used if self.fault == "remembers" else int(state))
        return jnp.asarray(scale), state + 1

    def loss(self, model, batch):
        leaves = [jnp.sum((leaf - 1) ** 2) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))]
        if self.fault == "not pure" and float(leaves[0]) > 1e9:
            return batch, {}
        return batch * sum(leaves), {}

    def evaluate(self, parameters, state):
        evaluation, state = super().evaluate(parameters, state)
        gradient = evaluation.gradient
        if self.fault == "gradient":
            gradient = jax.tree.map(lambda leaf: 1.001 * leaf, gradient)
        if self.fault == "structure":
            gradient = jax.tree.leaves(gradient)
        loss = evaluation.loss * (1.01 if self.fault == "loss" else 1.0)
        return Evaluation(loss, gradient, {}), state


def test_an_objective_of_ones_own_passes(tmp_path):
    check_objective(ObjectiveCase(Parabola, MODEL), tmp_path)


@pytest.mark.parametrize("fault", ["gradient", "structure", "loss", "remembers", "changes when used", "not pure"])
def test_planted_faults_are_found(fault, tmp_path):
    with pytest.raises((AssertionError, jax.errors.ConcretizationTypeError)):
        check_objective(ObjectiveCase(lambda: Parabola(fault), MODEL), tmp_path)
