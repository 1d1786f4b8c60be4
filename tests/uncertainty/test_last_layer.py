"""The uncertainty of a last layer against Bayesian linear regression in numpy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import PotentialError, TrainingError, UnknownSpeciesError
from mdfit.graph import Graph, build_graph
from mdfit.graph.batches import Batches
from mdfit.potentials import (
    LastLayer,
    LennardJones,
    NeuralPotential,
    evaluate,
    evaluate_with_spread,
    labelled_by,
)
from mdfit.potentials.evaluation import VOIGT
from mdfit.structure import Structure
from mdfit.uncertainty import last_layer
from mdfit.uncertainty.last_layer_rows import label_rows, precision, probed_rows

CENTRES, WIDTH, CUTOFF = np.array([1.2, 1.6, 2.0]), 0.35, 3.0
NOISE = {"energy": 0.02, "forces": 0.1}


class Gaussians(NeuralPotential):
    """e_i = Σ_k w_k Σ_j exp(−(r_ij − c_k)²/2s²): linear in all that it has."""

    weights: jax.Array
    cutoff, species = CUTOFF, (18,)

    @classmethod
    def skeleton(cls, settings):
        return cls(jnp.zeros(len(CENTRES)))

    @property
    def last_layer(self):
        return self.weights

    def with_last_layer(self, weights):
        return eqx.tree_at(lambda own: own.weights, self, weights)

    def energies_and_features(self, graph: Graph):
        pairs = jnp.exp(-((graph.distances()[..., None] - CENTRES) ** 2) / (2 * WIDTH**2))
        features = graph.sum_neighbours(pairs)
        return features @ self.weights, features


TRUTH = Gaussians(jnp.asarray([0.8, -0.5, 0.3]))


def chain(random, atoms=4, spacing=1.3):
    positions = np.stack([spacing * np.arange(atoms), *random.normal(0, 0.1, (2, atoms))], axis=-1)
    positions[:, 0] += random.normal(0, 0.08, atoms)
    return Structure.in_open_space(positions, species=18)


def noisy(structures, random, noise=NOISE):
    """Labels of the true potential with normal noise; of the energy per atom."""
    return Dataset(
        tuple(
            LabelledStructure(
                frame.structure,
                frame.energy + noise["energy"] * frame.structure.number_of_atoms * random.standard_normal(),
                frame.forces + noise["forces"] * random.standard_normal(frame.forces.shape),
            )
            for frame in labelled_by(TRUTH, structures)
        )
    )


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(3)
    return tuple(noisy([chain(random) for _ in range(number)], random) for number in (12, 10))


def numpy_rows(structure):
    """∂(energy)/∂w and ∂(forces)/∂w from the formula, without the graph."""
    positions = structure.positions
    vectors = positions[None] - positions[:, None]
    distances = np.linalg.norm(vectors, axis=-1) + 1e9 * np.eye(len(positions))
    inside = distances < CUTOFF
    pairs = np.exp(-((distances[..., None] - CENTRES) ** 2) / (2 * WIDTH**2)) * inside[..., None]
    slopes = -(distances[..., None] - CENTRES) / WIDTH**2 * pairs
    # Each pair counts twice in the energy, and moving i by its vector to j shortens it.
    forces = 2 * np.einsum("ijk,ijx->ixk", slopes, vectors / distances[..., None])
    return pairs.sum((0, 1)), forces.reshape(-1, len(CENTRES)), pairs.sum(1)


def numpy_precision(dataset, labels):
    total = np.zeros((3, 3))
    for frame in dataset:
        energy, forces, _ = numpy_rows(frame.structure)
        per_atom = energy / frame.structure.number_of_atoms
        total += np.outer(per_atom, per_atom) / NOISE["energy"] ** 2 if "energy" in labels else 0
        total += forces.T @ forces / NOISE["forces"] ** 2 if "forces" in labels else 0
    return total


@pytest.mark.parametrize("labels", [("energy",), ("energy", "forces")])
@pytest.mark.parametrize("force_spread", ["cheap", "exact"])
def test_it_is_bayesian_linear_regression(data, labels, force_spread):
    training, validation = data
    noise = {name: NOISE[name] for name in labels}
    found = last_layer(
        TRUTH,
        training,
        validation,
        **noise,
        regularise=0.7,
        probes=None,
        force_spread=force_spread,
        show_progress=False,
    )
    covariance = np.linalg.inv(numpy_precision(training, labels) + 0.7 * np.eye(3))
    np.testing.assert_allclose(found.factor.value @ found.factor.value.T, covariance, rtol=1e-4)
    errors, deviations = [], []
    for frame, batch in zip(validation, Batches(validation, CUTOFF, 1).in_order(), strict=True):
        energy, forces, atoms = numpy_rows(frame.structure)
        spread = evaluate_with_spread(found, batch.graph).spread
        scales = found.scales
        deviations.append(np.sqrt(energy @ covariance @ energy))
        errors.append(energy @ np.asarray(TRUTH.weights) - frame.energy)
        np.testing.assert_allclose(spread.energy[0], scales[0] * deviations[-1], rtol=1e-4)
        local = np.sqrt(np.einsum("ak,kl,al->a", atoms, covariance, atoms))
        np.testing.assert_allclose(spread.atomic_energies, scales[0] * local, rtol=1e-4)
        if force_spread == "exact":
            exact = np.sqrt(np.einsum("ak,kl,al->a", forces, covariance, forces)).reshape(-1, 3)
            np.testing.assert_allclose(spread.forces, scales[1] * exact, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(scales[0], np.sqrt(np.mean((np.array(errors) / deviations) ** 2)), rtol=1e-4)


def test_deviations_of_forces_are_rescaled_to_the_size_of_errors(data):
    found = last_layer(TRUTH, *data, **NOISE, show_progress=False)
    scores = []
    for frame, batch in zip(data[1], Batches(data[1], CUTOFF, 1).in_order(), strict=True):
        said = evaluate_with_spread(found, batch.graph)
        scores.append((said.mean.forces - frame.forces) / said.spread.forces)
    assert np.sqrt(np.mean(np.square(scores))) == pytest.approx(1, rel=1e-4)


def test_random_displacements_have_the_expectation_value_of_all_forces(data):
    """Of 4000 displacements, the relative error of an element is of the order √(2/4000) = 2 %; allowed are 10 %."""
    batch = next(Batches(data[0], CUTOFF, 12).in_order())
    signs = jax.random.rademacher(jax.random.key(5), (4000, *batch.forces.shape), jnp.float32)
    exact, probed = (np.asarray(precision(TRUTH, batch, {"forces": 0.1}, given)) for given in (None, signs))
    np.testing.assert_allclose(exact, numpy_precision(data[0], ("forces",)), rtol=1e-3, atol=1e-2)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.abs(probed - exact).max() < 0.1 * scale.max()
    assert not np.allclose(probed, exact, rtol=1e-6)


def test_stresses_say_the_same_by_both_ways():
    random = np.random.default_rng(0)
    cell = Structure(np.full(2, 18), random.uniform(0, 2.4, (2, 3)), np.eye(3) * 2.6, np.ones(3, bool), np.ones(2))
    batch = next(Batches(Dataset([LabelledStructure(cell, stress=np.eye(3))]), CUTOFF, 1).in_order())
    signs = jnp.ones((1, *batch.forces.shape), jnp.float32)
    exact, probed = (np.asarray(precision(TRUTH, batch, {"stress": 0.1}, given)) for given in (None, signs))
    np.testing.assert_allclose(probed, exact, rtol=1e-4)
    assert np.linalg.norm(exact) > 0.1


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Weights from the prior, data from the weights, the fit in closed form: 90 % intervals of an energy.

    Of 400 draws between 340 and 377 are inside with a probability of 99.9 % (binomial); the scales are one here.
    """
    random = np.random.default_rng(11)
    structures, target = [chain(random) for _ in range(4)], chain(random, spacing=1.7)
    rows = np.stack([numpy_rows(one)[0] / 4 for one in structures]) / NOISE["energy"]
    unlabelled = Dataset([LabelledStructure(one, energy=0.0) for one in structures])
    batch = next(Batches(unlabelled, CUTOFF, 4).in_order())
    matrix = np.asarray(precision(TRUTH, batch, {"energy": NOISE["energy"]}, None)) + np.eye(3)
    uncertain = LastLayer(TRUTH, np.linalg.inv(np.linalg.cholesky(matrix)).T, (1.0, 1.0, 1.0))
    deviation = float(evaluate_with_spread(uncertain, build_graph(target, CUTOFF)).spread.energy[0])
    inside, features = 0, numpy_rows(target)[0]
    for _ in range(400):
        truth = random.standard_normal(3)
        fit = np.linalg.solve(rows.T @ rows + np.eye(3), rows.T @ (rows @ truth + random.standard_normal(4)))
        inside += abs(features @ (fit - truth)) < stats.norm.ppf(0.95) * deviation
    low, high = stats.binom.ppf([0.0005, 0.9995], 400, 0.9)
    assert low <= inside <= high


def test_structures_unlike_the_data_are_less_certain():
    """Trained on atoms that are at least 1.6 Å apart, it does not know the weight of those that are nearer."""
    random = np.random.default_rng(3)
    data = [noisy([chain(random, spacing=2.0) for _ in range(number)], random) for number in (12, 10)]
    near, far = (build_graph(chain(random, spacing=spacing), CUTOFF) for spacing in (2.0, 1.3))
    for force_spread in ("cheap", "exact"):
        found = last_layer(TRUTH, *data, **NOISE, force_spread=force_spread, regularise=1.0, show_progress=False)
        inside, outside = (evaluate_with_spread(found, graph).spread for graph in (near, far))
        assert outside.energy[0] > 2 * inside.energy[0]
        assert np.linalg.norm(outside.forces) > 2 * np.linalg.norm(inside.forces)


def test_means_are_those_of_the_potential(data):
    found = last_layer(TRUTH, *data, **NOISE, show_progress=False)
    graph = next(Batches(data[1], CUTOFF, 2).in_order()).graph
    np.testing.assert_array_equal(evaluate(found, graph).forces, evaluate(TRUTH, graph).forces)


def test_kinds_of_labels_without_validation_have_no_spread(data):
    bare = Dataset([LabelledStructure(frame.structure, forces=frame.forces) for frame in data[1]])
    found = last_layer(TRUTH, data[0], bare, **NOISE, show_progress=False)
    assert np.isnan(found.scales).tolist() == [True, False, True]
    graph = next(Batches(data[1], CUTOFF, 2).in_order()).graph
    spread = evaluate_with_spread(found, graph).spread
    assert np.isnan(spread.energy).all()
    assert np.isfinite(spread.forces).all()


def test_labels_are_expected_to_err_as_those_to_validate_on(data):
    training, validation = data
    errors = [(frame, *numpy_rows(frame.structure)) for frame in validation]
    weights = np.asarray(TRUTH.weights)
    energies = [(frame.energy - energy @ weights) / frame.structure.number_of_atoms for frame, energy, _, _ in errors]
    forces = np.concatenate([frame.forces.ravel() - rows @ weights for frame, _, rows, _ in errors])
    noise = {"energy": float(np.sqrt(np.mean(np.square(energies)))), "forces": float(np.sqrt(np.mean(forces**2)))}
    stated = last_layer(TRUTH, training, validation, **noise, show_progress=False)
    found = last_layer(TRUTH, training, validation, show_progress=False)
    np.testing.assert_allclose(found.factor.value, stated.factor.value, rtol=1e-4)
    np.testing.assert_allclose(found.scales, stated.scales, rtol=1e-4)


def test_a_stress_is_six_numbers():
    """Rows of its labels are derivatives of the six components by the weights, by every way."""
    random = np.random.default_rng(5)
    positions = random.uniform(0, 4, (3, 3)) * [1, 0.2, 0.2]
    crystal = Structure(np.full(3, 18), positions, np.eye(3) * 7, np.ones(3, bool), np.ones(3))
    frame = LabelledStructure(crystal, 0.0, np.zeros((3, 3)), np.zeros((3, 3)))
    batch = next(iter(Batches(Dataset((frame,)), CUTOFF, 1, np.float64).in_order()))
    stresses = [
        np.asarray(evaluate(Gaussians(unit), batch.graph).stress(batch.volumes)[0])[VOIGT] for unit in jnp.eye(3)
    ]
    rows = label_rows(TRUTH, batch, {"stress": 1.0})["stress"]
    np.testing.assert_allclose(rows, np.transpose(stresses), atol=1e-12)
    signs = np.ones((1, len(batch.graph.species), 3))
    np.testing.assert_allclose(probed_rows(TRUTH, batch, {"stress": 1.0}, signs)["stress"], rows, atol=1e-12)


def test_bad_input(data):
    training, validation = data

    def made(potential=TRUTH, first=training, second=validation, **settings):
        return last_layer(potential, first, second, **({"energy": 0.02} | settings), show_progress=False)

    with pytest.raises(PotentialError, match="LennardJones has no last linear layer"):
        made(LennardJones())
    with pytest.raises(TrainingError, match="0 labels do not determine the 3 weights"):
        made(energy=None, first=Dataset([LabelledStructure(frame.structure) for frame in training]))
    with pytest.raises(TrainingError, match="No frame has the label stress"):
        made(stress=0.1)
    with pytest.raises(TrainingError, match=r"2 of 12 validation structures \(first: 10\) are training"):
        made(second=validation + training.select([0, 5]))
    bare = Dataset([LabelledStructure(frame.structure) for frame in validation])
    with pytest.raises(TrainingError, match="validation data have neither energies nor forces"):
        made(second=bare)
    with pytest.raises(TrainingError, match="2 labels do not determine the 3 weights"):
        made(first=training.select([0, 1]))
    other = Dataset([LabelledStructure(Structure.in_open_space([[0, 0, 0], [0, 0, 1]], species=8), energy=0.0)])
    with pytest.raises(UnknownSpeciesError, match="In the validation data: The potential knows Ar"):
        made(second=other)
    with pytest.raises(TrainingError, match="regularise is a number above 0, or 'validation', not -1"):
        made(regularise=-1)
    with pytest.raises(TrainingError, match="probes is a number of at least 1, not 0"):
        made(probes=0)
    with pytest.raises(TrainingError, match="force_spread is 'cheap' or 'exact', not 'fast'"):
        made(force_spread="fast")
