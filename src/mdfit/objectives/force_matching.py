"""Force matching: energies, forces and stresses of labelled structures.

F. Ercolessi, J. B. Adams, Europhys. Lett. 26, 583 (1994), doi:10.1209/0295-5075/26/8/005.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.graph.batches import Batch, Batches
from mdfit.models import Parameters
from mdfit.objectives.accuracy import accuracy
from mdfit.objectives.base import Evaluation, Metrics, Objective, PureLoss, evaluated, require_potential
from mdfit.potentials import Potential, Prediction, check_dataset, evaluate

#: Numbers by label.
Terms = dict[str, Array]


class Weights(NamedTuple):
    """Factors of the squared errors of energy per atom (eV), force component (eV/Å), stress component (eV/Å³)."""

    energy: float
    forces: float
    stress: float


class Position(NamedTuple):
    """Where in the data an objective stands; it decides the next batch."""

    seed: np.ndarray
    epoch: np.ndarray
    batch: np.ndarray

    @classmethod
    def start(cls, seed: int) -> Position:
        return cls(np.array(seed), np.array(0), np.array(0))

    def advanced(self, batches: int) -> Position:
        batch = int(self.batch) + 1
        if batch < batches:
            return self._replace(batch=np.array(batch))
        return self._replace(epoch=self.epoch + 1, batch=np.array(0))


class ForceMatching(Objective):
    """Weighted errors of energy per atom, forces and stress over batches of a data set.

    loss = w_E ⟨ℓ(ΔE/N)⟩ + w_F ⟨ℓ(ΔF)⟩ + w_σ ⟨ℓ(Δσ)⟩, where ⟨·⟩ runs over the labels that are present, and over
    components; ℓ is the square, or Huber's function: the square up to ``huber_delta`` and a straight line beyond.

    Args:
        dataset: labelled structures; a label that is missing is left out of its mean.
        energy: weight of squared eV per atom.
        forces: weight of squared eV/Å.
        stress: weight of squared eV/Å³.
        batch_size: structures per step.
        loss: ``"square"`` or ``"huber"``.
        huber_delta: where the Huber loss turns linear: the error in eV per atom, eV/Å and eV/Å³.
        dtype: of positions and labels.

    Raises:
        TrainingError: when a weighted label does not occur in the data, nothing is weighted, or a setting is out of range.
        PotentialError, StructureError: in training, when a frame does not fit the bonded terms of the potential.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import ForceMatching
        >>> from mdfit.potentials import LennardJones
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> data = Dataset([LabelledStructure(dimer, energy=-1.0)])
        >>> objective = ForceMatching(data, energy=1.0, forces=0.0)
        >>> round(objective.validation_loss(LennardJones()), 5)
        0.00297
    """

    def __init__(
        self,
        dataset: Dataset,
        energy: float = 1.0,
        forces: float = 10.0,
        stress: float = 0.0,
        *,
        batch_size: int = 4,
        loss: Literal["square", "huber"] = "square",
        huber_delta: float = 0.1,
        dtype: DTypeLike = np.float32,
    ):
        if loss not in ("square", "huber"):
            raise TrainingError(f"The loss of force matching is 'square' or 'huber', not {loss!r}.")
        if not (batch_size >= 1 and batch_size == int(batch_size)):
            raise TrainingError(f"batch_size is a number of structures, at least 1, not {batch_size}.")
        if not huber_delta > 0:
            raise TrainingError(f"huber_delta is the error at which the loss turns linear, above 0, not {huber_delta}.")
        self.dataset = dataset
        self.weights = Weights(energy, forces, stress)
        self.batch_size = min(int(batch_size), len(dataset))
        self.penalty = loss
        self.huber_delta = huber_delta
        self.dtype = dtype
        self.steps_per_epoch = -(-len(dataset) // self.batch_size)
        self._batches: dict[float, Batches] = {}
        _check(dataset, self.weights)

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.dataset, self.weights, self.batch_size, self.penalty, self.huber_delta, np.dtype(self.dtype)

    def batches(self, cutoff: float) -> Batches:
        """The data in batches for a cutoff in Å, made once."""
        if cutoff not in self._batches:
            self._batches[cutoff] = Batches(self.dataset, cutoff, self.batch_size, self.dtype)
        return self._batches[cutoff]

    @classmethod
    def of_labels(cls, dataset: Dataset) -> ForceMatching:
        """With the default weights of the labels that the data have."""
        present = _labels_of(dataset)
        return cls(dataset, energy=1.0 if "energy" in present else 0.0, forces=10.0 if "forces" in present else 0.0)

    def initial_state(self, seed: int, parameters: Parameters) -> Position:
        require_potential("ForceMatching", parameters.combine())
        return Position.start(seed)

    def draw(self, parameters: Parameters, state: Position) -> tuple[Batch, Position]:
        batches = self.batches(parameters.combine().cutoff)
        batch = batches.shuffled_batch(int(state.seed), int(state.epoch), int(state.batch))
        return batch, state.advanced(len(batches))

    def loss(self, model: Potential, batch: Batch) -> tuple[Float[Array, ""], Metrics]:
        return self.pure_loss(model, batch)

    def evaluate(self, parameters: Parameters, state: Position) -> tuple[Evaluation, Position]:
        batch, state = self.draw(parameters, state)
        evaluation = evaluated(self.pure_loss, parameters.trained, parameters.fixed, batch)
        self._explain(parameters.combine(), float(evaluation.loss))
        return evaluation, state

    def validate(self, model: Potential) -> tuple[float, dict[str, float]]:
        """The loss over the whole data set, and the errors of energies, forces and stresses."""
        errors = accuracy(model, self.dataset, batches=self.batches(model.cutoff))
        return self.validation_loss(model), {f"validation_{name}": value for name, value in errors.summary().items()}

    def validation_loss(self, potential: Potential) -> float:
        """The loss of the whole data set as one batch, whatever the batches are."""
        parts = [_totals_of(self._penalties, potential, batch) for batch in self.batches(potential.cutoff).in_order()]
        totals, counts = (jax.tree.map(lambda *one: sum(one), *column) for column in zip(*parts, strict=True))
        weights = self.weights._asdict()
        mean = sum(
            weight * float(totals[name]) / max(int(counts[name]), 1) for name, weight in weights.items() if weight
        )
        self._explain(potential, mean)
        return mean

    def _explain(self, potential: Potential, loss: float) -> None:
        """Raises an error that names the frame when a loss is not finite because of broken bonds or other molecules."""
        if not np.isfinite(loss):
            check_dataset(potential, self.dataset)

    def on(self, dataset: Dataset) -> ForceMatching:
        """The same objective on other data; weights of labels that the data lack become zero."""
        present = _labels_of(dataset)
        weights = {name: weight if name in present else 0.0 for name, weight in self.weights._asdict().items()}
        return ForceMatching(
            dataset,
            **weights,
            batch_size=self.batch_size,
            loss=self.penalty,
            huber_delta=self.huber_delta,
            dtype=self.dtype,
        )

    @property
    def pure_loss(self) -> PureLoss:
        """Equal for objectives with the same settings, which share a compiled program."""
        return eqx.Partial(_loss, weights=self.weights, delta=self._delta)

    @property
    def _delta(self) -> float | None:
        return self.huber_delta if self.penalty == "huber" else None

    @property
    def _penalties(self) -> Callable[[Potential, Batch], tuple[Terms, Terms]]:
        return eqx.Partial(_penalties, delta=self._delta)


def _labels_of(dataset: Dataset) -> set[str]:
    """The labels that some frame has."""
    return {name for name in Weights._fields if any(getattr(frame, name) is not None for frame in dataset)}


def _check(dataset: Dataset, weights: Weights) -> None:
    if not any(weights) or not all(0 <= weight < np.inf for weight in weights):
        raise TrainingError(f"The weights of force matching must be positive or zero, and not all zero: {weights}.")
    present = _labels_of(dataset)
    for name, weight in weights._asdict().items():
        if weight > 0 and name not in present:
            raise TrainingError(
                f"Force matching has a weight for {name}, but no frame has this label; set {name}=0 or add the label."
            )


def _loss(
    potential: Potential, batch: Batch, weights: Weights, delta: float | None
) -> tuple[Float[Array, ""], Metrics]:
    errors = residuals(evaluate(potential, batch.graph), batch)
    terms = {name: _mean(_penalty(error, delta), mask) for name, (error, mask) in errors.items()}
    loss = sum(weight * terms[name] for name, weight in weights._asdict().items() if weight)
    metrics = {
        f"{name}_rmse": jnp.where(jnp.any(mask), jnp.sqrt(_mean(error**2, mask)), jnp.nan)
        for name, (error, mask) in errors.items()
    }
    return loss, metrics


def _penalties(potential: Potential, batch: Batch, delta: float | None) -> tuple[Terms, Terms]:
    """Σ ℓ and the number of components with labels, by label."""
    errors = residuals(evaluate(potential, batch.graph), batch)
    sums = {name: _total(_penalty(error, delta), mask) for name, (error, mask) in errors.items()}
    return {name: total for name, (total, _) in sums.items()}, {name: count for name, (_, count) in sums.items()}


@eqx.filter_jit
def _totals_of(penalties: Callable[[Potential, Batch], Any], potential: Potential, batch: Batch) -> Any:
    return penalties(potential, batch)


def residuals(prediction: Prediction, batch: Batch) -> dict[str, tuple[Float[Array, "..."], Bool[Array, "..."]]]:
    """Errors and masks of the energy per atom (eV), the force (eV/Å) and the stress (eV/Å³) components."""
    per_atom = (prediction.energy - batch.energy) / batch.atom_counts
    return {
        "energy": (per_atom, batch.energy_mask),
        "forces": (prediction.forces - batch.forces, batch.forces_mask),
        "stress": (prediction.stress(batch.volumes) - batch.stress, batch.stress_mask),
    }


def _penalty(error: Float[Array, "*shape"], delta: float | None) -> Float[Array, "*shape"]:
    if delta is None:
        return error**2
    size = jnp.abs(error)
    # Scaled so that it equals the square for small errors.
    return jnp.where(size < delta, error**2, delta * (2 * size - delta))


def _mean(values: Float[Array, "..."], mask: Bool[Array, "..."]) -> Float[Array, ""]:
    """Mean over the labels that are present and over components, in double precision; 0 when there are none."""
    total, count = _total(values, mask)
    return total / jnp.maximum(count, 1)


def _total(values: Float[Array, "..."], mask: Bool[Array, "..."]) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Sum over the labels that are present and over components, in double precision, and how many these are."""
    flags = mask.reshape(mask.shape + (1,) * (values.ndim - mask.ndim))
    total = jnp.sum(jnp.where(flags, values, 0).astype(jnp.float64))
    return total, jnp.sum(mask) * int(np.prod(values.shape[mask.ndim :]))
