"""What every objective must satisfy, as functions that raise ``AssertionError`` with the numbers that are off.

In a test suite::

    import pytest
    from mdfit.testing import OBJECTIVE_CONTRACT, ObjectiveCase

    @pytest.mark.parametrize("check", OBJECTIVE_CONTRACT, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(ObjectiveCase(lambda: MyObjective(...), model), tmp_path)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from mdfit.errors import CheckpointError
from mdfit.models import Model, ModelSet, Parameters
from mdfit.objectives import Evaluation, Objective, Step, WeightedSum
from mdfit.precision import DOUBLE, cast
from mdfit.storage import fill_tree, fingerprint, read_header, write_tree


@dataclass(frozen=True, eq=False)
class ObjectiveCase:
    """An objective and a model to evaluate it at.

    Attributes:
        make: a new objective, the same each time; best with double precision in what it simulates and evaluates.
        model: where its gradient does not vanish.
        tolerance: relative, of the gradient against finite differences.
        step: relative change of the parameters for finite differences.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import ForceMatching
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.testing import ObjectiveCase
        >>> dimer = Structure.in_open_space([[0, 0, 0], [0, 0, 1.2]])
        >>> data = Dataset([LabelledStructure(dimer, energy=-1.0)])
        >>> case = ObjectiveCase(lambda: ForceMatching(data, forces=0.0, dtype="float64"), LennardJones())
        >>> type(case.make()).__name__, float(case.parameters.trained.sigma)
        ('ForceMatching', 1.0)
    """

    make: Callable[[], Objective]
    model: Model
    tolerance: float = 1e-4
    step: float = 1e-4

    @property
    def parameters(self) -> Parameters:
        """Of the model, in double precision."""
        model = cast(self.model, DOUBLE)
        return Parameters.of(model)

    @functools.cached_property
    def used(self) -> Objective:
        """The same one for all checks, since programs are compiled for each objective anew."""
        return self.make()


def check_objective(case: ObjectiveCase, folder: Path) -> None:
    """All checks, one after the other, which write into ``folder``."""
    for check in OBJECTIVE_CONTRACT:
        check(case, folder)


def evaluation_is_that_of_the_pure_loss(case: ObjectiveCase, folder: Path) -> None:
    """``evaluate`` gives ``loss`` at what ``draw`` gives, and goes on to the same state."""
    parameters, objective = case.parameters, case.used
    evaluation, after = objective.evaluate(parameters, objective.initial_state(3, parameters))
    drawing = case.make()
    batch, drawn = drawing.draw(parameters, drawing.initial_state(3, parameters))
    model = parameters.combine()
    plain = drawing.loss(model, batch)[0]
    compiled = eqx.filter_jit(lambda m, b: drawing.loss(m, b)[0])(model, batch)
    _close(evaluation.loss, plain, 1e-5, "loss of evaluate and loss of draw and loss")
    _close(compiled, plain, 1e-5, "loss when compiled")
    _same_states(after, drawn, "states after evaluate and after draw")


def gradient_is_that_of_finite_differences(case: ObjectiveCase, folder: Path) -> None:
    """Along the gradient and along a random direction, for what was drawn; steps point down."""
    parameters, objective = case.parameters, case.used
    state = objective.initial_state(3, parameters)
    evaluation, _ = objective.evaluate(parameters, state)
    batch, _ = objective.draw(parameters, state)
    flat, unravel = ravel_pytree(parameters.trained)
    direction = np.asarray(ravel_pytree(evaluation.direction)[0], np.float64)
    size = case.step * float(np.linalg.norm(flat))
    value = eqx.filter_jit(lambda x: objective.loss(eqx.combine(unravel(x), parameters.fixed), batch)[0])

    def slope(along: np.ndarray) -> float:
        unit = jnp.asarray(along / np.linalg.norm(along), flat.dtype)
        near, far = (float(value(flat + h * unit) - value(flat - h * unit)) / (2 * h) for h in (size, 2 * size))
        return (4 * near - far) / 3

    assert np.linalg.norm(direction) > 0, "the gradient vanishes; choose a model that is not at its best"
    if isinstance(evaluation, Step):
        assert slope(direction) > 0, "the step leads uphill"
        return
    length = float(np.linalg.norm(direction))
    _close(slope(direction), length, case.tolerance, "slope along the gradient")
    random = np.random.default_rng(0).normal(size=direction.shape)
    random += direction / length * np.linalg.norm(random)
    expected = float(random @ direction) / float(np.linalg.norm(random))
    _close(slope(random), expected, case.tolerance, "slope along a random direction")


def only_what_is_trained_has_a_gradient(case: ObjectiveCase, folder: Path) -> None:
    """Gradients are trees like the trained parameters: what is frozen is masked, what is trained has its shape and type."""
    parameters = case.parameters
    leaves, structure = jax.tree.flatten(parameters.trained)
    for kept in range(len(leaves)):
        flags = jax.tree.unflatten(structure, [place == kept for place in range(len(leaves))])
        trained, rest = eqx.partition(parameters.trained, flags)
        frozen = Parameters(trained, eqx.combine(parameters.fixed, rest))
        evaluation, _ = case.used.evaluate(frozen, case.used.initial_state(3, frozen))
        found, expected = (str(jax.tree.structure(tree)) for tree in (evaluation.direction, trained))
        assert found == expected, f"the gradient of one trained array has the structure {found}, not {expected}"
        for one, other in zip(jax.tree.leaves(evaluation.direction), jax.tree.leaves(trained), strict=True):
            assert one.shape == other.shape, f"a gradient of shape {one.shape} for an array of shape {other.shape}"
        if kept == 1:
            break


def members_are_mapped(case: ObjectiveCase, folder: Path) -> None:
    """The loss of models side by side is that of each alone."""
    parameters, objective = case.parameters, case.used
    batch, _ = objective.draw(parameters, objective.initial_state(3, parameters))
    model = parameters.combine()
    other = Parameters(
        jax.tree.map(lambda leaf: leaf * (1 + case.step), parameters.trained), parameters.fixed
    ).combine()
    found = ModelSet.of([model, other]).map(lambda m, b: objective.loss(m, b)[0], batch)
    for index, member in enumerate((model, other)):
        _close(found[index], objective.loss(member, batch)[0], 1e-6, f"loss of member {index} side by side")


def goes_on_from_its_state_alone(case: ObjectiveCase, folder: Path) -> None:
    """The state survives a file, and a new objective goes on from it with the same numbers, bit for bit."""
    parameters, objective = case.parameters, case.used
    _, state = objective.evaluate(parameters, objective.initial_state(3, parameters))
    path = folder / "state.safetensors"
    write_tree(path, state, {})
    evaluation, after = objective.evaluate(parameters, state)
    fresh = case.make()
    arrays = read_header(path, CheckpointError)[1]
    read = fill_tree(fresh.initial_state(3, parameters), arrays, path, CheckpointError)
    again, then = fresh.evaluate(parameters, read)
    _same_states((evaluation.loss, evaluation.direction), (again.loss, again.direction), "evaluations after a resume")
    _same_states(after, then, "states after a resume")
    # What was evaluated in between must not matter.
    repeated, _ = objective.evaluate(parameters, state)
    _same_states((evaluation.loss, evaluation.direction), (repeated.loss, repeated.direction), "repeated evaluations")


def it_is_known_again(case: ObjectiveCase, folder: Path) -> None:
    """Two that are made alike have the same fingerprint, before and after use: else a training could not be resumed."""
    parameters, objective = case.parameters, case.make()
    before = fingerprint(objective)
    assert before == fingerprint(case.make()), "an objective made again is another one; give it an identity()"
    objective.evaluate(parameters, objective.initial_state(3, parameters))
    assert before == fingerprint(objective), "an objective changes its identity when it is used; give it an identity()"


def sums_are_sums(case: ObjectiveCase, folder: Path) -> None:
    """2 o + o has three times the loss and gradient, where o gives gradients."""
    parameters, objective = case.parameters, case.used
    if objective.takes_steps:
        return
    state = objective.initial_state(3, parameters)
    evaluation, _ = objective.evaluate(parameters, state)
    assert isinstance(evaluation, Evaluation), "takes_steps is false, but evaluate gives a step"
    both = 2.0 * objective + objective
    # The terms of sums are joined, and so are their states.
    states = (*state, *state) if isinstance(objective, WeightedSum) else (state, state)
    total, _ = both.evaluate(parameters, states)
    _close(total.loss, 3 * evaluation.loss, 1e-6, "loss of 2 o + o")
    for one, other in zip(jax.tree.leaves(total.gradient), jax.tree.leaves(evaluation.gradient), strict=True):
        np.testing.assert_allclose(one, 3 * np.asarray(other), rtol=1e-5, atol=1e-12, err_msg="gradient of 2 o + o")


#: All checks.
OBJECTIVE_CONTRACT: tuple[Callable[[ObjectiveCase, Path], None], ...] = (
    evaluation_is_that_of_the_pure_loss,
    gradient_is_that_of_finite_differences,
    only_what_is_trained_has_a_gradient,
    members_are_mapped,
    goes_on_from_its_state_alone,
    it_is_known_again,
    sums_are_sums,
)


def _close(found: Any, expected: Any, relative: float, what: str) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=relative, atol=1e-10, err_msg=what)


def _same_states(one: Any, other: Any, what: str) -> None:
    first, second = jax.tree.leaves(one), jax.tree.leaves(other)
    assert len(first) == len(second), f"{what} have {len(first)} and {len(second)} arrays"
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=what)
