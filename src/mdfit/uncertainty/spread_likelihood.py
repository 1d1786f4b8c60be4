"""Training of potentials that know their spread: normal errors of the predicted sizes.

D. A. Nix, A. S. Weigend, Proc. ICNN 1994, doi:10.1109/ICNN.1994.374138; for several last layers M. Kellner, M. Ceriotti,
Mach. Learn.: Sci. Technol. 5, 035006 (2024), doi:10.1088/2632-2153/ad594a.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.graph.batches import Batch, Batches
from mdfit.models import Parameters
from mdfit.objectives import Objective
from mdfit.objectives.base import Metrics, PureLoss, require_potential
from mdfit.objectives.force_matching import Position, residuals
from mdfit.potentials import Potential, Prediction, evaluate_with_spread, knows_spread
from mdfit.potentials.evaluation import VOIGT
from mdfit.uncertainty.label_likelihood import expected_noise


class SpreadLikelihood(Objective):
    """−log N(label; mean, s² + σ²) with the spread s that the potential itself predicts, for shallow ensembles above all.

    The loss is the sum over kinds of labels of ⟨½ error²/(s² + σ²) + ½ log(1 + s²/σ²)⟩ over the labels that are there, and
    over components: the negative log-likelihood of a label up to a constant.

    Args:
        dataset: labelled structures; labels that are missing do not count.
        energy: noise σ of the energy per atom (``"1 meV"``), or None to leave energies out.
        forces: of the components of forces (``"20 meV/Å"``).
        stress: of the components of the stress (``"0.1 GPa"``).
        batch_size: structures per step.
        dtype: of positions and labels.

    Raises:
        TrainingError: without labels, for a label that no frame has, or numbers out of range; in training, for a model
            that knows no spread.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.potentials import LennardJones, PotentialSet
        >>> from mdfit.uncertainty import SpreadLikelihood
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> objective = SpreadLikelihood(Dataset([LabelledStructure(dimer, energy=-1.0)]), energy="10 meV")
        >>> sets = [PotentialSet.of([LennardJones(epsilon=1.1 - s), LennardJones(epsilon=1.1 + s)]) for s in (0.01, 0.1)]
        >>> [round(objective.validate(one)[0], 2) for one in sets]
        [0.52, 1.87]
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        energy: str | float | None = None,
        forces: str | float | None = None,
        stress: str | float | None = None,
        batch_size: int = 4,
        dtype: DTypeLike = np.float32,
    ):
        if batch_size < 1:
            raise TrainingError(f"batch_size is a number of structures, at least 1, not {batch_size}.")
        self.dataset, self.dtype = dataset, dtype
        self.noise = expected_noise(dataset, {"energy": energy, "forces": forces, "stress": stress})
        self.batch_size = min(int(batch_size), len(dataset))
        self.steps_per_epoch = -(-len(dataset) // self.batch_size)
        self._batches: dict[float, Batches] = {}

    def identity(self) -> tuple[Any, ...]:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.dataset, self.noise, self.batch_size, np.dtype(self.dtype)

    def batches(self, cutoff: float) -> Batches:
        """The data in batches for a cutoff in Å, made once."""
        if cutoff not in self._batches:
            self._batches[cutoff] = Batches(self.dataset, cutoff, self.batch_size, self.dtype)
        return self._batches[cutoff]

    def initial_state(self, seed: int, parameters: Parameters) -> Position:
        potential = require_potential("SpreadLikelihood", parameters.combine())
        if not knows_spread(potential):
            raise TrainingError(
                f"SpreadLikelihood needs a potential with a spread, such as a ShallowEnsemble, not "
                f"{type(potential).__name__}; train a single potential by ForceMatching."
            )
        return Position.start(seed)

    def draw(self, parameters: Parameters, state: Position) -> tuple[Batch, Position]:
        batches = self.batches(parameters.combine().cutoff)
        batch = batches.shuffled_batch(int(state.seed), int(state.epoch), int(state.batch))
        return batch, state.advanced(len(batches))

    def loss(self, model: Potential, batch: Batch) -> tuple[Float[Array, ""], Metrics]:
        return self.pure_loss(model, batch)

    @property
    def pure_loss(self) -> PureLoss:
        """Equal for objectives with the same settings, which share a compiled program."""
        return eqx.Partial(_loss, noise=self.noise)

    def validate(self, model: Potential) -> tuple[float, dict[str, float]]:
        """The loss of the whole data set, whatever the batches are, and the part of each kind of label."""
        parts = [_totals_of(model, batch, self.noise) for batch in self.batches(model.cutoff).in_order()]
        totals = jax.tree.map(lambda *one: float(sum(one)), *parts)
        means = {f"validation_{name}_nll": total / max(count, 1) for name, (total, count) in totals.items()}
        return sum(means.values()), means

    def on(self, dataset: Dataset) -> SpreadLikelihood | None:
        """The same objective on other data, for the kinds of labels that they have."""
        left = {name: size for name, size in self.noise.items() if any(getattr(f, name) is not None for f in dataset)}
        if not left:
            return None
        return SpreadLikelihood(dataset, **left, batch_size=self.batch_size, dtype=self.dtype)


def _totals(potential: Potential, batch: Batch, noise: Mapping[str, float]) -> dict[str, tuple[Array, Array]]:
    """Σ of the negative log-likelihoods and the number of components with labels, by label, in double precision."""
    found = evaluate_with_spread(potential, batch.graph)
    spreads = _like_residuals(found.spread, batch)
    totals = {}
    for name, (error, mask) in residuals(found.mean, batch).items():
        if name not in noise:
            continue
        spread = spreads[name]
        # A symmetric stress is six numbers.
        error, spread = (error[:, *VOIGT], spread[:, *VOIGT]) if name == "stress" else (error, spread)
        flags = mask.reshape(mask.shape + (1,) * (error.ndim - mask.ndim))
        relative = 1 + jnp.where(flags, spread / noise[name], 0).astype(jnp.float64) ** 2
        scaled = jnp.where(flags, error / noise[name], 0).astype(jnp.float64)
        components = jnp.sum(mask) * int(np.prod(error.shape[mask.ndim :]))
        totals[name] = (0.5 * jnp.sum(scaled**2 / relative + jnp.log(relative)), components)
    return totals


def _like_residuals(spread: Prediction, batch: Batch) -> dict[str, Float[Array, "..."]]:
    """Standard deviations of what :func:`residuals` tells the errors of."""
    return {
        "energy": spread.energy / batch.atom_counts,
        "forces": spread.forces,
        "stress": spread.stress(batch.volumes),
    }


def _loss(potential: Potential, batch: Batch, noise: Mapping[str, float]) -> tuple[Float[Array, ""], Metrics]:
    means = {name: total / jnp.maximum(count, 1) for name, (total, count) in _totals(potential, batch, noise).items()}
    return sum(means.values(), start=jnp.zeros((), jnp.float64)), {f"{name}_nll": mean for name, mean in means.items()}


_totals_of = eqx.filter_jit(_totals)
