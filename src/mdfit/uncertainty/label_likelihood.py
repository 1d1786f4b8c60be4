"""The likelihood of labelled structures: normal errors of energies, forces and stresses, whose sizes are sampled, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from mdfit.data import Dataset
from mdfit.errors import TrainingError
from mdfit.graph.batches import Batch, Batches
from mdfit.objectives.force_matching import residuals
from mdfit.potentials import Potential, evaluate
from mdfit.potentials.evaluation import VOIGT
from mdfit.uncertainty.posterior import Likelihood, LogLikelihood
from mdfit.units import quantity

#: Units of the noise of each label.
UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å^3"}


class LabelPosition(NamedTuple):
    """Which batch comes next."""

    seed: np.ndarray
    draw: np.ndarray


class LabelLikelihood(Likelihood):
    """Σ over structures and components of log N(label; prediction, σ²), with one σ for each kind of label.

    The sum, not the mean: it decides how much the data say against the prior.  S. Thaler, G. Doehner, J. Zavadlav,
    J. Chem. Theory Comput. 19, 4520 (2023), doi:10.1021/acs.jctc.2c01267.

    Args:
        dataset: labelled structures; labels that are missing do not count.
        energy: expected noise of the energy per atom (``"1 meV"``), or None to leave energies out.
        forces: of the components of forces (``"0.1 eV/Å"``).
        stress: of the components of the stress (``"0.1 GPa"``).
        batch_size: structures of a draw, which is without replacement; all of them when there are no more.
        independent: how many of the structures are independent: frames of a trajectory, and forces on beads that share
            hidden atoms, say less than their number.
        sampled: whether the noise is sampled with an exponential prior of the expected size, or known.
        dtype: of positions and labels.

    Raises:
        TrainingError: without labels, for a label that no frame has, or numbers out of range.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.uncertainty import LabelLikelihood
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> data = Dataset([LabelledStructure(dimer, energy=-1.0)] * 3)
        >>> likelihood = LabelLikelihood(data, energy="10 meV")
        >>> likelihood.number, likelihood.noise
        (3, {'energy': 0.01})
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        energy: str | float | None = None,
        forces: str | float | None = None,
        stress: str | float | None = None,
        batch_size: int = 4,
        independent: float | None = None,
        sampled: bool = True,
        dtype: DTypeLike = np.float32,
    ):
        given = {"energy": energy, "forces": forces, "stress": stress}
        expected = expected_noise(dataset, given)
        if independent is not None and not 0 < independent <= len(dataset):
            raise TrainingError(
                f"independent is a number of structures, above 0 and up to all {len(dataset)}, not {independent}."
            )
        if batch_size < 1:
            raise TrainingError(f"batch_size is a number of structures, at least 1, not {batch_size}.")
        self.dataset, self.expected = dataset, expected
        self.batch_size = min(batch_size, len(dataset))
        self.is_full_batch = self.batch_size == len(dataset)
        self.number = len(dataset) if independent is None else independent
        self.noise = expected if sampled else {}
        self.dtype = dtype
        self._batches: dict[float, Batches] = {}

    def identity(self) -> tuple[Any, ...]:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.dataset, self.expected, self.batch_size, self.number, self.noise, np.dtype(self.dtype)

    def initial_state(self, seed: int, model: Potential) -> LabelPosition:
        return LabelPosition(np.asarray(seed), np.asarray(0))

    def draw(self, model: Potential, state: LabelPosition) -> tuple[Batch, LabelPosition]:
        if model.cutoff not in self._batches:
            self._batches[model.cutoff] = Batches(
                self.dataset, model.cutoff, self.batch_size, self.dtype, one_size=True
            )
        random = np.random.default_rng([int(state.seed), int(state.draw)])
        chosen = random.permutation(len(self.dataset))[: self.batch_size]
        return self._batches[model.cutoff].assemble(np.sort(chosen)), state._replace(draw=state.draw + 1)

    @property
    def pure(self) -> LogLikelihood:
        known = {name: size for name, size in self.expected.items() if name not in self.noise}
        return eqx.Partial(_log_likelihood, known=known, structures=self.batch_size)


def expected_noise(dataset: Dataset, given: Mapping[str, str | float | None]) -> dict[str, float]:
    """The expected noise of labels in the units of :data:`UNITS`, of those kinds that are given.

    Raises:
        TrainingError: without any, for a label that no frame has, or sizes that are not above 0.
    """
    expected = {name: quantity(size, UNITS[name], name) for name, size in given.items() if size is not None}
    if not expected:
        raise TrainingError(
            "A likelihood needs the expected noise of at least one kind of label: energy, forces or stress."
        )
    for name, size in expected.items():
        if not 0 < size < np.inf:
            raise TrainingError(f"The expected noise of {name} is above 0, not {size} {UNITS[name]}.")
        if all(getattr(frame, name) is None for frame in dataset):
            raise TrainingError(f"No frame has the label {name}, whose noise is given; leave it out or add the label.")
    return expected


def _log_likelihood(
    potential: Potential, noise: dict[str, Array], batch: Batch, known: dict[str, float], structures: int
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    found = residuals(evaluate(potential, batch.graph), batch)
    total = jnp.zeros((), jnp.float64)
    sizes = {name: jnp.asarray(size) for name, size in known.items()} | noise
    for name, sigma in sizes.items():
        error, mask = found[name]
        # A symmetric stress is six numbers.
        error = error[:, *VOIGT] if name == "stress" else error
        flags = mask.reshape(mask.shape + (1,) * (error.ndim - mask.ndim))
        scaled = jnp.where(flags, error, 0).astype(jnp.float64) / sigma
        components = jnp.sum(mask) * int(np.prod(error.shape[mask.ndim :]))
        total += -0.5 * jnp.sum(scaled**2) - components * (jnp.log(sigma) + 0.5 * np.log(2 * np.pi))
    return total, jnp.asarray(structures, jnp.float64)
