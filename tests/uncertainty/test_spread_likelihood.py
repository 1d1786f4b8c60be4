"""Training by likelihood of potentials that know their spread."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from mdfit import fit
from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import TrainingError
from mdfit.graph.batches import Batches
from mdfit.models import Parameters
from mdfit.potentials import LennardJones, PaiNN, PotentialSet, ShallowEnsemble, evaluate_with_spread, labelled_by
from mdfit.structure import Structure
from mdfit.uncertainty import SpreadLikelihood

PAIRS = LennardJones(epsilon=0.5, sigma=1.2, cutoff=3.5)


def clusters(number, spacing, seed):
    random = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)[:5]
    return [
        Structure.in_open_space(spacing * corners + random.normal(0, 0.07, (5, 3)), species=18) for _ in range(number)
    ]


def test_the_loss_is_the_normal_likelihood():
    """Against scipy, for two members whose mean and spread are known from their forces."""
    both = PotentialSet.of([LennardJones(epsilon=0.9, cutoff=4.0), LennardJones(epsilon=1.1, cutoff=4.0)])
    structure = Structure.in_open_space([[0, 0, 0], [0, 0, 1.3]], species=18)
    data = Dataset(
        [LabelledStructure(structure, energy=-0.7, forces=np.full((2, 3), 0.2)), LabelledStructure(structure)]
    )
    objective = SpreadLikelihood(data, energy=0.1, forces=0.5, dtype=np.float64)
    found = evaluate_with_spread(both, next(Batches(data, 4.0, 1, np.float64).in_order()).graph)
    expected = 0.0
    for label, mean, spread, noise in (
        (-0.35, found.mean.energy / 2, found.spread.energy / 2, 0.1),
        (0.2, found.mean.forces, found.spread.forces, 0.5),
    ):
        densities = stats.norm.logpdf(label, mean, np.hypot(spread, noise)) + np.log(noise * np.sqrt(2 * np.pi))
        expected -= densities.mean()
    loss, parts = objective.validate(both)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert sum(parts.values()) == pytest.approx(loss)
    parameters = Parameters.of(both)
    assert float(objective.evaluate(parameters, objective.initial_state(0, parameters))[0].loss) == pytest.approx(loss)


def test_training_lowers_it_and_errors_outside_of_the_data_are_seen():
    training, validation = (labelled_by(PAIRS, clusters(n, 1.4, seed)) for n, seed in ((24, 0), (8, 1)))
    settings = {"energy": "10 meV", "forces": "50 meV/Å"}
    start = ShallowEnsemble.of(
        PaiNN.for_data(training, 3.5, channels=16, layers=1, radial_functions=6, key=jax.random.key(0)), members=4
    )
    objective, held_out = (SpreadLikelihood(one, **settings, batch_size=8) for one in (training, validation))
    before = held_out.validate(start)[0]
    result = fit(
        start,
        objective,
        optimizer=optax.adam(5e-3),
        epochs=60,
        validate_on=held_out,
        validate_every=20,
        show_progress=False,
    )
    after = held_out.validate(result.model)[0]
    assert after < 0.5 * before
    assert isinstance(result.model, ShallowEnsemble)
    # Crystals that are pressed together more and more: the errors of forces and what is said of them rise together.
    errors, spreads = [], []
    for spacing in (1.4, 1.3, 1.2, 1.1):
        data = labelled_by(PAIRS, clusters(4, spacing, 2))
        batch = next(Batches(data, 3.5, 4).in_order())
        found = evaluate_with_spread(result.model, batch.graph)
        errors.append(np.linalg.norm(found.mean.forces - batch.forces, axis=1))
        spreads.append(np.linalg.norm(found.spread.forces, axis=1))
    assert stats.spearmanr(np.concatenate(errors), np.concatenate(spreads)).statistic > 0.6


def test_what_it_learns_from():
    data = labelled_by(PAIRS, clusters(2, 1.4, 0))
    bare = Dataset([LabelledStructure(frame.structure, energy=frame.energy) for frame in data])
    objective = SpreadLikelihood(data, energy=0.1, forces=0.5)
    assert objective.on(bare).noise == {"energy": 0.1}
    assert objective.on(Dataset([LabelledStructure(data[0].structure)])) is None
    with pytest.raises(
        TrainingError, match="needs a potential with a spread, such as a ShallowEnsemble, not LennardJones"
    ):
        objective.initial_state(0, Parameters.of(PAIRS))
    with pytest.raises(TrainingError, match="No frame has the label forces"):
        SpreadLikelihood(bare, forces=0.1)
    with pytest.raises(TrainingError, match="batch_size is a number of structures, at least 1, not 0"):
        SpreadLikelihood(bare, energy=0.1, batch_size=0)
    assert jnp.isfinite(objective.validate(PotentialSet.of([PAIRS, LennardJones(0.6, 1.2, 3.5)]))[0])
