"""What every observable must satisfy, as functions that raise ``AssertionError`` with the numbers that are off.

In a test suite::

    import pytest
    from mdfit.testing import OBSERVABLE_CONTRACT, ObservableCase

    @pytest.mark.parametrize("check", OBSERVABLE_CONTRACT, ids=lambda check: check.__name__)
    def test_contract(check):
        check(ObservableCase(MyObservable(...), trajectory))
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import ObservableError, UnitError
from mdfit.observables import Observable, estimate, per_frame
from mdfit.potentials import Potential
from mdfit.simulate import Trajectory
from mdfit.simulate.trajectory import PER_FRAME, per_frame_arrays
from mdfit.units import quantity


@dataclass(frozen=True, eq=False)
class ObservableCase:
    """An observable and a trajectory that it has a meaning for.

    Attributes:
        observable: a function of averages.
        trajectory: two replicas or more of ten frames or more, in which its value is not constant.
        potential: that of the trajectory, for observables that need derivatives of the energy.
        at_places: whether places in space matter, as for a coordinate, so that moving everything changes the value.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.observables import PotentialEnergy
        >>> from mdfit.simulate import Trajectory
        >>> from mdfit.testing import ObservableCase
        >>> frames = Frames([1], [1.0], np.zeros((10, 1, 3)), np.zeros((3, 3)), [False] * 3, energies=np.arange(10))
        >>> case = ObservableCase(PotentialEnergy(), Trajectory.of_frames(frames, frames, temperature=300.0))
        >>> case.values().shape
        (2, 10)
    """

    observable: Observable
    trajectory: Trajectory
    potential: Potential | None = None
    at_places: bool = False

    def values(self, trajectory: Trajectory | None = None) -> np.ndarray:
        """Of every frame."""
        return per_frame(self.observable, trajectory or self.trajectory, self.potential)


def check_observable(case: ObservableCase) -> None:
    """All checks, one after the other."""
    for check in OBSERVABLE_CONTRACT:
        check(case)


def values_have_the_shape_and_unit_that_it_tells(case: ObservableCase) -> None:
    """Of ``shape``, ``grid`` and ``labels``; the unit is one."""
    observable, values = case.observable, case.values()
    assert values.shape[:2] == (case.trajectory.replicas, len(case.trajectory)), "one value per replica and frame"
    combined = np.asarray(observable.combine(jnp.asarray(values.mean(axis=(0, 1)))))
    assert combined.shape == observable.shape, f"combine gives the shape {combined.shape}, not {observable.shape}"
    if observable.grid is not None:
        assert len(observable.grid) == observable.shape[-1], "as many values as places on the grid"
        assert np.all(np.diff(observable.grid) > 0), "the grid increases"
    if observable.labels:
        assert len(observable.labels) == len(set(observable.labels)) == observable.shape[0], "a label per component"
    for unit in filter(None, (observable.unit.split(" per ")[0], observable.grid_unit)):
        try:
            quantity(f"1 {unit}", unit, "unit")
        except UnitError as error:
            raise AssertionError(f"{unit!r} is no unit") from error


def equal_ones_are_equal(case: ObservableCase) -> None:
    """A copy is equal and has the same hash, so that both share one compiled program."""
    other = copy.deepcopy(case.observable)
    assert other == case.observable, "a copy is not equal; make it a frozen dataclass with fields that compare"
    assert hash(other) == hash(case.observable), "a copy has another hash"


def the_order_of_frames_does_not_matter(case: ObservableCase) -> None:
    """It is a function of single frames: replicas and frames in another order have the same values."""
    order = np.random.default_rng(0).permutation(len(case.trajectory))
    shuffled = _changed(case.trajectory, lambda array: array[::-1, order])
    np.testing.assert_allclose(case.values(shuffled), case.values()[::-1, order], rtol=1e-10, atol=1e-12)


def images_do_not_matter(case: ObservableCase) -> None:
    """Atoms a whole cell away, and everything moved, have the same values, unless places in space matter."""
    if case.at_places:
        return
    trajectory, expected = case.trajectory, case.values()
    tolerance = 1e-6 * np.abs(expected).max()
    if trajectory.periodic.any():
        moves = np.random.default_rng(1).integers(-1, 2, (*trajectory.positions.shape[:3], 3)) * trajectory.periodic
        away = trajectory.positions + np.einsum("rfnk,rfkx->rfnx", moves, trajectory.cells)
        found = case.values(dataclasses.replace(trajectory, positions=away))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=tolerance, err_msg="atoms a whole cell away")
    moved = dataclasses.replace(trajectory, positions=trajectory.positions + np.array([0.3, -0.2, 0.1]))
    np.testing.assert_allclose(case.values(moved), expected, rtol=1e-6, atol=tolerance, err_msg="everything moved")


def weights_choose_frames(case: ObservableCase) -> None:
    """Equal weights change nothing, and frames of no weight are not there."""
    observable, trajectory, potential = case.observable, case.trajectory, case.potential
    plain = estimate(observable, trajectory, potential=potential)
    equal = np.ones((trajectory.replicas, len(trajectory)))
    weighted = estimate(observable, trajectory, potential=potential, weights=equal)
    np.testing.assert_allclose(weighted.value, plain.value, rtol=1e-9, err_msg="equal weights")
    assert np.isfinite(plain.standard_error).all(), "the standard error is not finite"
    half = len(trajectory) // 2
    equal[:, half:] = 0
    masked = estimate(observable, trajectory, potential=potential, weights=equal)
    part = estimate(observable, trajectory.part(0, half), potential=potential)
    np.testing.assert_allclose(masked.value, part.value, rtol=1e-9, atol=1e-12, err_msg="frames of no weight")


def combine_is_differentiable(case: ObservableCase) -> None:
    """The derivative of ``combine`` along a random direction, against finite differences."""
    averages = jnp.asarray(case.values().mean(axis=(0, 1)), jnp.float64)
    direction = jnp.asarray(np.random.default_rng(2).normal(size=averages.shape)) * (jnp.abs(averages) + 1e-3)
    step = 1e-5
    value, slope = jax.jvp(case.observable.combine, (averages,), (direction,))
    above, below = (case.observable.combine(averages + sign * step * direction) for sign in (1, -1))
    expected = (np.asarray(above) - np.asarray(below)) / (2 * step)
    size = np.abs(expected).max() + np.abs(np.asarray(value)).max()
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-6 * size, err_msg="derivative of combine")


def what_is_not_known_is_refused(case: ObservableCase) -> None:
    """Where the trajectory lacks what the value depends on, there is an error, and never a number."""
    trajectory = case.trajectory
    for name in PER_FRAME:
        nothing: dict[str, Any] = {name: np.full_like(getattr(trajectory, name), np.nan)}
        unknown = dataclasses.replace(trajectory, **nothing)
        try:
            found = case.values(unknown)
        except ObservableError:
            continue
        np.testing.assert_allclose(
            found, case.values(), rtol=1e-12, err_msg=f"without {name} there are other numbers, but no error"
        )


#: All checks.
OBSERVABLE_CONTRACT: tuple[Callable[[ObservableCase], None], ...] = (
    values_have_the_shape_and_unit_that_it_tells,
    equal_ones_are_equal,
    the_order_of_frames_does_not_matter,
    images_do_not_matter,
    weights_choose_frames,
    combine_is_differentiable,
    what_is_not_known_is_refused,
)


def _changed(trajectory: Trajectory, change: Callable[[np.ndarray], np.ndarray]) -> Trajectory:
    arrays: dict[str, Any] = {name: change(array) for name, array in per_frame_arrays(trajectory).items()}
    return dataclasses.replace(trajectory, **arrays)
