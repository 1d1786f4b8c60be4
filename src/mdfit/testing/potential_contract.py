"""What every potential must satisfy, as functions that raise ``AssertionError`` with the numbers that are off.

In a test suite::

    import pytest
    from mdfit.testing import CONTRACT

    @pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
    def test_contract(check):
        check(MyPotential(...))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float
from scipy.spatial.transform import Rotation

from mdfit.graph import Graph
from mdfit.potentials import Potential, Prediction, evaluate, knows_spread
from mdfit.precision import cast
from mdfit.structure import Structure
from mdfit.testing.contract_structures import (
    LENGTH_WITHOUT_CUTOFF,
    changed,
    close,
    cluster,
    crystal,
    graph_of,
    species_of,
)
from mdfit.testing.spread_contract import SPREAD_CONTRACT

_evaluate = eqx.filter_jit(evaluate)


def check_potential(potential: Potential) -> None:
    """All checks, one after the other."""
    for check in contract(potential):
        check(potential)


def contract(potential: Potential) -> tuple[Callable[[Potential], None], ...]:
    """The checks that apply: all, but for those of :data:`OF_INTERNAL_ENERGIES` where a term is fixed in space, those of
    :data:`OF_EQUAL_ATOMS` where the order of atoms matters, and those of :data:`OF_SHORT_RANGE` where more is read than
    edges; and those of :data:`SPREAD_CONTRACT` for a potential that knows its spread.

    See ``reads`` and ``fixed_in_space`` of :class:`mdfit.potentials.Potential`.  The structures of the
    other checks have six atoms or twice six: give bonded potentials a topology of six atoms.
    """
    left_out: frozenset[Callable[[Potential], None]] = frozenset()
    if potential.fixed_in_space:
        left_out |= OF_INTERNAL_ENERGIES
    if potential.reads.order:
        left_out |= OF_EQUAL_ATOMS
    if potential.reads.positions or potential.reads.cell:
        left_out |= OF_SHORT_RANGE
    checks = (*CONTRACT, *SPREAD_CONTRACT) if knows_spread(potential) else CONTRACT
    return tuple(check for check in checks if check not in left_out)


def invariant_under_translation(potential: Potential) -> None:
    """Moving everything, also across the cell's faces, changes nothing."""
    structure = crystal(potential)
    before = _predict(potential, structure)
    after = _predict(potential, changed(structure, positions=structure.positions + [3.1, -17.3, 40.7]))
    close(before.energy, after.energy, 1e-10, "energy after a translation")
    close(before.forces, after.forces, 1e-8, "forces after a translation")


def invariant_under_rotation_and_reflection(potential: Potential) -> None:
    """Turned or mirrored, the energy stays and the forces and the stress turn along."""
    structure = crystal(potential)
    before = _predict(potential, structure)
    for sign in (1, -1):
        turn = sign * Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
        turned = changed(structure, positions=structure.positions @ turn.T, cell=structure.cell @ turn.T)
        after = _predict(potential, turned)
        close(before.energy, after.energy, 1e-9, "energy after a rotation or reflection")
        close(before.forces @ turn.T, after.forces, 1e-7, "forces after a rotation or reflection")
        close(turn @ before.strain_derivative[0] @ turn.T, after.strain_derivative[0], 1e-7, "stress after a rotation")


def invariant_under_permutation(potential: Potential) -> None:
    """The order of the atoms does not matter."""
    structure = crystal(potential)
    order = np.random.default_rng(0).permutation(structure.number_of_atoms)
    shuffled = changed(structure, positions=structure.positions[order], species=structure.species[order])
    before, after = _predict(potential, structure), _predict(potential, shuffled)
    close(before.energy, after.energy, 1e-10, "energy after a permutation")
    close(before.forces[order], after.forces, 1e-8, "forces after a permutation")


def forces_are_derivatives(potential: Potential) -> None:
    """Forces equal the finite differences of the energy to 1e-6 of the largest force."""
    structure = crystal(potential)
    forces = np.asarray(_predict(potential, structure).forces)
    scale = np.abs(forces).max()
    step = 1e-4
    for atom, axis in ((0, 0), (1, 2), (structure.number_of_atoms - 1, 1)):
        shift = np.zeros_like(structure.positions)
        shift[atom, axis] = step
        numeric = -_derivative(lambda s, d=shift: _moved(potential, structure, d * s), step)
        error = abs(numeric - forces[atom, axis]) / scale
        assert error < 1e-6, f"force of atom {atom}: {forces[atom, axis]:.9g}, finite difference {numeric:.9g} eV/Å"


def stress_is_derivative(potential: Potential) -> None:
    """The strain derivative equals the finite differences of the energy to 1e-6 of its largest element."""
    structure = crystal(potential)
    strain_derivative = np.asarray(_predict(potential, structure).strain_derivative[0])
    scale = np.abs(strain_derivative).max()
    step = 1e-4
    for i, j in ((0, 0), (1, 1), (0, 1), (2, 0)):
        direction = np.zeros((3, 3))
        direction[i, j] += step / 2
        direction[j, i] += step / 2
        numeric = _derivative(lambda s, d=direction: _strained(potential, structure, d * s), step)
        error = abs(numeric - strain_derivative[i, j]) / scale
        assert error < 1e-6, f"∂E/∂ε[{i},{j}]: {strain_derivative[i, j]:.9g}, finite difference {numeric:.9g} eV"


def smooth_at_cutoff(potential: Potential) -> None:
    """Energy, force and curvature of an atom that leaves the cutoff go to zero, without a step."""
    cutoff = potential.cutoff

    energy_and_slope = eqx.filter_jit(jax.value_and_grad(lambda r, potential: _pair_energy(potential, r)))

    def derivatives(distance: float, step: float = 1e-6) -> tuple[float, float, float]:
        """Energy, slope and curvature of a pair."""
        # As arrays: for each number of Python it would be compiled anew.
        points = [jnp.asarray(distance * (1 + side * step)) for side in (0, -1, 1)]
        (energy, slope), (_, before), (_, after) = (energy_and_slope(point, potential) for point in points)
        return float(energy), float(slope), float(after - before) / (2 * step * distance)

    reference = abs(derivatives(0.7 * cutoff)[1]) + 1e-8
    inside, outside = (derivatives(cutoff * (1 + side * 1e-5)) for side in (-1, 1))
    for name, before, after in zip(("energy", "slope", "curvature"), inside, outside, strict=True):
        jump = abs(before - after)
        assert jump < 1e-2 * reference, f"{name} jumps at the cutoff from {before:.6g} to {after:.6g}"


def smooth_at_symmetric_structures(potential: Potential) -> None:
    """Where symmetry makes features vanish, the stiffness against shear is that of small strains, with no kink.

    The stiffness of a diamond lattice, whose sites have no inversion, is the same from strains of 10⁻⁴ and 10⁻².
    """
    number = species_of(potential)[0]
    edge = 0.5 * (potential.cutoff or LENGTH_WITHOUT_CUTOFF) * 4 / 3**0.5
    corner = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]) / 4
    places = np.concatenate([corner, corner + 0.25]) * edge
    crystal = Structure(
        species=np.full(8, number, np.int32),
        positions=places,
        cell=np.eye(3) * edge,
        periodic=np.ones(3, bool),
        masses=np.ones(8),
    )

    def stiffness(axes: tuple[int, int], strain: float) -> float:
        direction = np.zeros((3, 3))
        direction[axes] = direction[axes[::-1]] = strain / 2
        up, down = (_strain_derivative(potential, crystal, sign * direction)[axes] for sign in (1, -1))
        return float(up - down) / (2 * strain)

    small, large = stiffness((0, 1), 1e-4), stiffness((0, 1), 1e-2)
    scale = max(abs(large), abs(stiffness((0, 0), 1e-2)), 1e-9)
    assert abs(small - large) < 0.2 * scale, f"the shear stiffness is {small:.4g} at 1e-4 but {large:.4g} eV at 1e-2"


def additive_when_far_apart(potential: Potential) -> None:
    """Two molecules beyond the cutoff have the sum of their energies."""
    one = cluster(potential)
    other = changed(one, positions=one.positions @ Rotation.from_rotvec([0, 0, 1.0]).as_matrix())
    far = other.positions + [50.0 + 2 * potential.cutoff, 0, 0]
    both = changed(
        one,
        positions=np.concatenate([one.positions, far]),
        species=np.concatenate([one.species, other.species]),
        masses=np.concatenate([one.masses, other.masses]),
    )
    total = float(_predict(potential, both).energy[0])
    parts = float(_predict(potential, one).energy[0]) + float(_predict(potential, other).energy[0])
    close(total, parts, 1e-10, "energy of two molecules far apart")


def isolated_atoms_are_finite(potential: Potential) -> None:
    """A single atom has a finite energy, no force and no gradient that is NaN."""
    for number in species_of(potential):
        structure = Structure(
            species=np.array([number], np.int32),
            positions=np.zeros((1, 3)),
            cell=np.zeros((3, 3)),
            periodic=np.zeros(3, bool),
            masses=np.ones(1),
        )
        prediction = _predict(potential, structure)
        assert np.isfinite(prediction.energy).all(), f"the energy of an isolated atom {number} is {prediction.energy}"
        assert (np.asarray(prediction.forces) == 0).all(), f"an isolated atom {number} feels a force"


def padding_changes_nothing(potential: Potential) -> None:
    """More room for atoms and neighbours leaves energy, forces and stress as they are."""
    structure = crystal(potential)
    graph = graph_of(potential, structure)
    atoms, neighbours = graph.mask.shape
    padded = graph_of(potential, structure, atoms=atoms + 7, neighbours=neighbours + 5)
    wide = cast(potential, jnp.float64)
    before, after = _evaluate(wide, graph), _evaluate(wide, padded)
    close(before.energy, after.energy, 1e-10, "energy with padding")
    close(before.forces, after.forces[:atoms], 1e-8, "forces with padding")
    close(before.strain_derivative, after.strain_derivative, 1e-8, "stress with padding")
    assert (np.asarray(after.forces[atoms:]) == 0).all(), "a padding atom feels a force"


def gradients_are_finite(potential: Potential) -> None:
    """No parameter gradient of a force loss is NaN, with padding, isolated atoms and straight angles present."""
    number = species_of(potential)[0]
    spacing = 0.5 * (potential.cutoff or LENGTH_WITHOUT_CUTOFF)
    places = np.array([[0, 0, 0], [spacing, 0, 0], [2 * spacing, 0, 0], [30 + 10 * spacing, 0, 0]])
    structure = Structure(
        species=np.full(4, number, np.int32),
        positions=places,
        cell=np.zeros((3, 3)),
        periodic=np.zeros(3, bool),
        masses=np.ones(4),
    )
    graph = graph_of(potential, structure, atoms=6, neighbours=5, dtype=jnp.float32)
    parameters, rest = eqx.partition(potential, eqx.is_inexact_array)

    def loss(parameters: Any) -> Float[Array, ""]:
        prediction = evaluate(eqx.combine(parameters, rest), graph)
        return jnp.sum(prediction.forces**2) + jnp.sum(prediction.energy) + jnp.sum(prediction.strain_derivative**2)

    gradient = eqx.filter_jit(jax.grad(loss))(parameters)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), f"the gradient of {jax.tree_util.keystr(path)} is not finite"


def compiles_once_per_size(potential: Potential) -> None:
    """A second structure of the same padded size does not compile again."""
    structure = crystal(potential)
    width = graph_of(potential, structure).mask.shape[1] + 4
    count = 0

    @eqx.filter_jit
    def counted(potential: Potential, graph: Graph) -> Prediction:
        nonlocal count
        count += 1
        return evaluate(potential, graph)

    for seed in (0, 1):
        moved = structure.positions + np.random.default_rng(seed).normal(0, 0.01, structure.positions.shape)
        counted(potential, graph_of(potential, changed(structure, positions=moved), neighbours=width))
    assert count == 1, f"the same padded size was compiled {count} times"


def single_precision_stays_single(potential: Potential) -> None:
    """With single-precision edges the forces are single precision and agree with double precision."""
    structure = crystal(potential)
    single = _evaluate(potential, graph_of(potential, structure, dtype=jnp.float32))
    assert single.forces.dtype == jnp.float32, f"forces are {single.forces.dtype} for float32 edges"
    assert single.energy.dtype == jnp.float64, f"energies are summed in {single.energy.dtype}, not float64"
    double = _predict(potential, structure)
    scale = np.abs(double.forces).max()
    error = np.abs(single.forces - double.forces).max() / scale
    assert error < 1e-3, f"single and double precision forces differ by {error:.2g} of the largest force"


#: Every check, in the order from simple to subtle.
CONTRACT: tuple[Callable[[Potential], None], ...] = (
    invariant_under_translation,
    invariant_under_rotation_and_reflection,
    invariant_under_permutation,
    forces_are_derivatives,
    stress_is_derivative,
    smooth_at_cutoff,
    smooth_at_symmetric_structures,
    additive_when_far_apart,
    isolated_atoms_are_finite,
    padding_changes_nothing,
    gradients_are_finite,
    compiles_once_per_size,
    single_precision_stays_single,
)

#: Checks that hold only when the energy depends on nothing but the vectors between atoms.
OF_INTERNAL_ENERGIES = frozenset(
    {
        invariant_under_translation,
        invariant_under_rotation_and_reflection,
        stress_is_derivative,
        smooth_at_cutoff,
        smooth_at_symmetric_structures,
        additive_when_far_apart,
        isolated_atoms_are_finite,
    }
)

#: Checks that hold only when nothing acts beyond the cutoff; some of them are made without a cell.
OF_SHORT_RANGE = frozenset(
    {
        smooth_at_cutoff,
        additive_when_far_apart,
        isolated_atoms_are_finite,
        gradients_are_finite,
    }
)

#: Checks that hold only when atoms of one species are the same, whatever their place in the list of atoms.
OF_EQUAL_ATOMS = frozenset(
    {
        invariant_under_permutation,
        smooth_at_cutoff,
        smooth_at_symmetric_structures,
        isolated_atoms_are_finite,
        gradients_are_finite,
    }
)


#: Length in Å of the test structures of potentials without a cutoff.
def _predict(potential: Potential, structure: Structure) -> Prediction:
    return _evaluate(cast(potential, jnp.float64), graph_of(potential, structure))


def _energy(potential: Potential, structure: Structure) -> float:
    return float(_predict(potential, structure).energy[0])


def _moved(potential: Potential, structure: Structure, shift: np.ndarray) -> float:
    return _energy(potential, changed(structure, positions=structure.positions + shift))


def _strain_derivative(potential: Potential, structure: Structure, strain: np.ndarray) -> np.ndarray:
    deformation = np.eye(3) + strain
    strained = changed(structure, positions=structure.positions @ deformation, cell=structure.cell @ deformation)
    return np.asarray(_predict(potential, strained).strain_derivative[0])


def _strained(potential: Potential, structure: Structure, strain: np.ndarray) -> float:
    deformation = np.eye(3) + strain
    return _energy(
        potential, changed(structure, positions=structure.positions @ deformation, cell=structure.cell @ deformation)
    )


def _derivative(function: Callable[[float], float], step: float) -> float:
    """Fourth-order central difference of ``function(s)`` with respect to ``s·step``."""
    near, far = function(1) - function(-1), function(2) - function(-2)
    return (8 * near - far) / (12 * step)


def _pair_energy(potential: Potential, distance: Float[ArrayLike, ""]) -> Float[Array, ""]:
    """Energy of two atoms at a distance, differentiable, with an edge also beyond the cutoff."""
    number = species_of(potential)[0]
    vector = jnp.zeros(3).at[0].set(distance)
    graph = Graph(
        species=jnp.full(2, number, jnp.int32),
        structure=jnp.zeros(2, jnp.int32),
        neighbours=jnp.array([[1], [0]], jnp.int32),
        vectors=jnp.stack([vector, -vector])[:, None],
        mask=jnp.ones((2, 1), bool),
        reverse=jnp.array([[1], [0]], jnp.int32),
        number_of_structures=1,
    )
    return jnp.sum(cast(potential, jnp.float64).atomic_energies(graph))
