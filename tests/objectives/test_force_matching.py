"""The losses of force matching against numbers of NumPy: squares, Huber's function, stresses, missing labels."""

import dataclasses
import operator

import equinox as eqx
import numpy as np
import optax
import pytest

from mdfit.data import Dataset, LabelledStructure
from mdfit.engines import Calculator
from mdfit.errors import TrainingError
from mdfit.objectives import ForceMatching, Parameters
from mdfit.potentials import LennardJones, trainable
from mdfit.structure import Structure
from mdfit.training import accuracy, fit

RANDOM = np.random.default_rng(1)
POTENTIAL = LennardJones(0.01, 3.4, 6.0)


def frame(atoms, energy=True, forces=True, stress=True):
    """A random cell with labels that are off by some eV, eV/Å and eV/Å³."""
    grid = np.stack(np.meshgrid(*[np.arange(2.0)] * 3), -1).reshape(-1, 3)[:atoms]
    structure = Structure(
        np.full(atoms, 18),
        3.9 * grid + 0.2 * RANDOM.standard_normal((atoms, 3)),
        7.8 * np.eye(3) + 0.1 * RANDOM.standard_normal((3, 3)),
        np.ones(3, bool),
        np.full(atoms, 39.95),
    )
    symmetric = 0.05 * RANDOM.standard_normal((3, 3))
    return LabelledStructure(
        structure,
        energy=RANDOM.normal() if energy else None,
        forces=0.2 * RANDOM.standard_normal((atoms, 3)) if forces else None,
        stress=symmetric + symmetric.T if stress else None,
    )


#: Structures of several sizes, each label missing somewhere.
FRAMES = (
    frame(8),
    frame(5, energy=False),
    frame(7, forces=False),
    frame(6, stress=False),
    frame(3, False, True, False),
)


def errors():
    """Of the energy per atom, force components and the nine stress components, by ASE, one list over all frames."""
    found = {"energy": [], "forces": [], "stress": []}
    for one in FRAMES:
        atoms = one.structure.to_ase()
        atoms.calc = Calculator(POTENTIAL, dtype="float64")
        if one.energy is not None:
            found["energy"].append((atoms.get_potential_energy() - one.energy) / len(atoms))
        if one.forces is not None:
            found["forces"].extend((atoms.get_forces() - one.forces).ravel())
        if one.stress is not None:
            found["stress"].extend((atoms.get_stress(voigt=False) - one.stress).ravel())
    return {name: np.array(values) for name, values in found.items()}


def square(error):
    return error**2


def huber(delta):
    """Equal to the square up to ``delta``, a tangent of it beyond."""

    def penalty(error):
        return np.array([e**2 if abs(e) <= delta else delta**2 + 2 * delta * (abs(e) - delta) for e in error])

    return penalty


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (2.0, 0.5, 30.0)])
@pytest.mark.parametrize("loss", ["square", "huber"])
def test_the_loss_is_the_weighted_mean_over_labels_that_are_there(weights, loss):
    penalty = square if loss == "square" else huber(0.15)
    found = {name: np.mean(penalty(error)) for name, error in errors().items()}
    expected = sum(weight * value for weight, value in zip(weights, found.values(), strict=True))
    # Errors on both sides of the kink.
    assert all((np.abs(error) < 0.15).any() for error in errors().values())
    assert (np.abs(errors()["forces"]) > 0.15).any()
    aim = ForceMatching(
        Dataset(FRAMES), *weights, batch_size=len(FRAMES), loss=loss, huber_delta=0.15, dtype=np.float64
    )
    assert aim.validation_loss(POTENTIAL) == pytest.approx(expected, rel=1e-6)
    parameters = Parameters(*eqx.partition(POTENTIAL, trainable(POTENTIAL)))
    evaluation, _ = aim.evaluate(parameters, aim.initial_state(0, parameters))
    assert float(evaluation.loss) == pytest.approx(expected, rel=1e-6)
    for name, error in errors().items():
        assert float(evaluation.metrics[f"{name}_rmse"]) == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)


@pytest.mark.parametrize("loss", ["square", "huber"])
def test_the_gradient_is_that_of_the_loss(loss):
    aim = ForceMatching(
        Dataset(FRAMES), 2.0, 0.5, 30.0, batch_size=len(FRAMES), loss=loss, huber_delta=0.15, dtype=np.float64
    )
    parameters = Parameters(*eqx.partition(POTENTIAL, trainable(POTENTIAL)))
    gradient = aim.evaluate(parameters, aim.initial_state(0, parameters))[0].gradient
    for name, step in (("epsilon", 1e-6), ("sigma", 1e-5)):
        ends = [
            aim.validation_loss(
                eqx.tree_at(operator.attrgetter(name), POTENTIAL, getattr(POTENTIAL, name) + sign * step)
            )
            for sign in (1, -1)
        ]
        assert float(getattr(gradient, name)) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_missing_labels_have_no_gradient():
    """Without forces anywhere in a batch their term is zero, whatever its weight."""
    without = Dataset((frame(8, forces=False), frame(4)))
    aim = ForceMatching(without, 1.0, 5.0, 0.0, batch_size=1, dtype=np.float64)
    only = ForceMatching(without, 1.0, 0.0, 0.0, batch_size=1, dtype=np.float64)
    parameters = Parameters(*eqx.partition(POTENTIAL, trainable(POTENTIAL)))
    outcomes = {}
    for name, objective in (("both", aim), ("energy", only)):
        state, outcomes[name] = objective.initial_state(0, parameters), []
        for _ in range(2):
            evaluation, state = objective.evaluate(parameters, state)
            outcomes[name].append(float(evaluation.gradient.epsilon))
    same = np.isclose(outcomes["both"], outcomes["energy"], rtol=1e-9)
    assert sorted(same.tolist()) == [False, True]


def test_padding_counts_for_nothing():
    """Batches of one, of two (the last one filled up) and of all give the same mean over batches of equal size."""
    frames = Dataset((frame(8), frame(3), frame(5), frame(8)))
    losses = [
        ForceMatching(frames, 1.0, 0.0, 2.0, batch_size=size, dtype=np.float64).validation_loss(POTENTIAL)
        for size in (1, 2, 3, 4)
    ]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-7)


def test_settings_that_make_no_sense():
    with pytest.raises(TrainingError, match="'square' or 'huber'"):
        ForceMatching(Dataset(FRAMES), loss="cubic")
    with pytest.raises(TrainingError, match="batch_size is a number of structures, at least 1, not 0"):
        ForceMatching(Dataset(FRAMES), batch_size=0)
    for delta in (0.0, -0.1, float("nan")):
        with pytest.raises(TrainingError, match="huber_delta is the error at which the loss turns linear, above 0"):
            ForceMatching(Dataset(FRAMES), loss="huber", huber_delta=delta)
    with pytest.raises(TrainingError, match="must be positive or zero"):
        ForceMatching(Dataset(FRAMES), energy=-1.0)
    with pytest.raises(TrainingError, match="has a weight for stress"):
        ForceMatching(Dataset((frame(4, stress=False),)), stress=1.0)


def test_errors_in_the_log_are_those_of_the_labels_that_there_are():
    """One frame of four has a stress; batches without one say nothing of it, nor does a label that no frame has."""
    frames = tuple(frame(4, stress=number == 3) for number in range(4))
    bare = tuple(dataclasses.replace(one, energy=None) for one in frames)
    for data, present in ((frames, {"energy", "forces", "stress"}), (bare, {"forces", "stress"})):
        weights = {"energy": float("energy" in present), "forces": 1.0, "stress": 1.0}
        aim = ForceMatching(Dataset(data), **weights, batch_size=1)
        still = fit(POTENTIAL, aim, optimizer=optax.sgd(0.0), epochs=1, show_progress=False)
        record, known = still.history[0], accuracy(POTENTIAL, Dataset(data))
        assert {name.removesuffix("_rmse") for name in record if name.endswith("_rmse")} == present
        found = np.sqrt(np.mean((known.stress[:, 1] - known.stress[:, 0]) ** 2))
        assert record["stress_rmse"] == pytest.approx(found, rel=1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
@pytest.mark.parametrize("loss", ["square", "huber"])
def test_validation_does_not_depend_on_the_batches(size, loss):
    """Means run over all labels, whatever batch they are in and whether others of it lack them."""
    frames = Dataset((*FRAMES, frame(8, forces=False), frame(4)))
    settings = {"loss": loss, "huber_delta": 0.15, "dtype": np.float64}
    whole = ForceMatching(frames, 2.0, 0.5, 30.0, batch_size=len(frames), **settings)
    parts = ForceMatching(frames, 2.0, 0.5, 30.0, batch_size=size, **settings)
    assert parts.validation_loss(POTENTIAL) == pytest.approx(whole.validation_loss(POTENTIAL), rel=1e-9)


@pytest.mark.parametrize("settings", [{"energy": np.nan}, {"forces": np.inf}, {"batch_size": 2.5}])
def test_numbers_that_make_no_sense(settings):
    with pytest.raises(TrainingError, match=r"positive or zero|number of structures"):
        ForceMatching(Dataset(FRAMES), **settings)
