"""The measurements at one state point: a loss of the values of frames, and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.measurements import Measurement
from mdfit.observables import FreeEnergy, Observable
from mdfit.reweighting import Reweighted, average, log_weights


class Constants(NamedTuple):
    """What predictions depend on beside the values of the frames, and what has no derivative.

    Attributes:
        energies: ``(samples,)`` in eV of the parameters that made the frames.
        log_shares: ``(samples,)`` ln of the share of the ensemble that each frame stands for.
        free_energies: of the parameters that made the frames, relative to the other potential of each measured free
            energy, in units of k_BT.
    """

    energies: np.ndarray
    log_shares: np.ndarray
    free_energies: np.ndarray


class Outcome(NamedTuple):
    """The loss at one state point, and what its derivative follows from.

    Attributes:
        loss: sum of χ² of the measurements.
        metrics: parts of the loss, and predictions in the units of their observables.
        view: the frames.
        values: energies, and those of each observable.
        slopes: derivatives of the loss with respect to the values.
        constants: of the predictions.
    """

    loss: jax.Array
    metrics: dict[str, jax.Array]
    view: Reweighted
    values: tuple[np.ndarray, ...]
    slopes: tuple[Any, ...]
    constants: Constants


class Targets:
    """Sum of χ² of measurements at one state point, as a function of the values of frames.

    Args:
        measurements: of averages, and of free energies.
        beta: 1/k_BT in 1/eV.

    Attributes:
        observables: whose values are asked for, in this order.
        others: the potentials that free energies are relative to.
    """

    def __init__(self, measurements: Sequence[Measurement], beta: float):
        self.measurements, self._beta = tuple(measurements), beta
        kinds = [measurement.observable for measurement in measurements]
        self.observables = tuple(kind for kind in kinds if isinstance(kind, Observable))
        self.others = tuple(kind.relative_to for kind in kinds if isinstance(kind, FreeEnergy))
        self._names = _distinct([kind.name for kind in kinds])
        self._loss = jax.jit(jax.value_and_grad(self._loss_of_values, has_aux=True))
        self._deviations = jax.jit(self._deviations_of_values)
        self._slopes = jax.jit(jax.jacrev(self._deviations_of_changing), static_argnums=3)

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.measurements, self._beta

    def outcome(self, view: Reweighted, constants: Constants) -> Outcome:
        """Loss, predictions and slopes for the values of the frames."""
        values = (view.energies, *view.values)
        (loss, (parts, predictions)), slopes = self._loss(values, constants)
        return Outcome(loss, self._metrics(parts, predictions), view, values, slopes, constants)

    def loss(self, values: tuple[jax.Array, ...], constants: Constants) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Sum of χ² and its metrics for the energies and values of frames; pure."""
        loss, (parts, predictions) = self._loss_of_values(values, constants)
        return loss, self._metrics(parts, predictions)

    def _metrics(self, parts: list[jax.Array], predictions: list[jax.Array]) -> dict[str, jax.Array]:
        metrics: dict[str, jax.Array] = {}
        for measurement, name, part, prediction in zip(self.measurements, self._names, parts, predictions, strict=True):
            metrics[f"loss/{name}"] = part
            if prediction.ndim == 0:
                metrics[name] = prediction
            for index, label in enumerate(measurement.observable.labels):
                metrics[f"{name}/{label}"] = prediction[index]
        return metrics

    def deviations(self, outcome: Outcome) -> np.ndarray:
        """``(components,)``, the numbers whose squares add to the loss."""
        return np.asarray(self._deviations(outcome.values, outcome.constants))

    def slopes_of_deviations(self, outcome: Outcome) -> tuple[np.ndarray, ...]:
        """Derivatives ``(components, samples, *shape)`` by the energies and by the values that follow the potential."""
        follow = (True, *outcome.view.frames.follow)
        changing = tuple(value for value, follows in zip(outcome.values, follow, strict=True) if follows)
        return self._slopes(changing, outcome.values, outcome.constants, follow)

    def _predictions(self, values: tuple[jax.Array, ...], constants: Constants) -> list[jax.Array]:
        energies, *observed = values
        change = self._beta * (energies - constants.energies)
        weights = log_weights(change - constants.log_shares)
        step = -jax.nn.logsumexp(constants.log_shares - change)
        averages, free_energies = iter(observed), iter(constants.free_energies + step)
        return [
            next(free_energies) / self._beta
            if isinstance(m.observable, FreeEnergy)
            else m.observable.combine(average(weights, next(averages)))
            for m in self.measurements
        ]

    def _loss_of_values(
        self, values: tuple[jax.Array, ...], constants: Constants
    ) -> tuple[jax.Array, tuple[list[jax.Array], list[jax.Array]]]:
        predictions = self._predictions(values, constants)
        parts = [m.chi_square(prediction) for m, prediction in zip(self.measurements, predictions, strict=True)]
        return sum(parts[1:], start=parts[0]), (parts, predictions)

    def _deviations_of_values(self, values: tuple[jax.Array, ...], constants: Constants) -> jax.Array:
        predictions = self._predictions(values, constants)
        return jnp.concatenate([m.deviations(p) for m, p in zip(self.measurements, predictions, strict=True)])

    def _deviations_of_changing(
        self,
        changing: tuple[jax.Array, ...],
        values: tuple[jax.Array, ...],
        constants: Constants,
        follow: tuple[bool, ...],
    ) -> jax.Array:
        """A function of those values alone that follow the potential."""
        new = iter(changing)
        joined = tuple(next(new) if follows else value for value, follows in zip(values, follow, strict=True))
        return self._deviations_of_values(joined, constants)


def _distinct(names: list[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name} {names[:i].count(name) + 1}" for i, name in enumerate(names)]
