"""What every uncertain potential must satisfy beside the contract of all potentials."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from mdfit.data import Dataset, LabelledStructure
from mdfit.graph.batches import Batches
from mdfit.potentials import Potential, WithSpread, evaluate, evaluate_with_spread, load, structure_spread
from mdfit.precision import cast
from mdfit.structure import Structure
from mdfit.testing.contract_structures import changed, close, crystal, graph_of

_evaluate = eqx.filter_jit(evaluate)
_with_spread = eqx.filter_jit(evaluate_with_spread)


def the_mean_is_the_potential(potential: Potential) -> None:
    """Energies, forces and stresses are the same whether the spread is asked for or not."""
    graph = graph_of(potential, crystal(potential))
    wide = cast(potential, jnp.float64)
    plain, mean = _evaluate(wide, graph), _with_spread(wide, graph).mean
    for name in ("energy", "forces", "strain_derivative", "atomic_energies"):
        close(getattr(plain, name), getattr(mean, name), 1e-9, f"{name} with the spread")


def spreads_are_positive(potential: Potential) -> None:
    """Nothing is negative, energies and forces have a spread, and what is not known is NaN rather than zero."""
    spread = _predict(potential, crystal(potential)).spread
    for name in ("energy", "forces", "strain_derivative", "atomic_energies"):
        values = np.asarray(getattr(spread, name))
        assert not (values < 0).any(), f"the spread of {name} is negative"
    assert (np.asarray(spread.energy) > 0).all(), "the energy of a distorted crystal has no spread"
    assert (np.linalg.norm(spread.forces, axis=1) > 0).all(), (
        "the force on an atom of a distorted crystal has no spread"
    )


def the_frame_does_not_matter(potential: Potential) -> None:
    """Moved and turned, the spread of the energy stays, and so do the lengths of those of the forces."""
    structure = crystal(potential)
    before = _predict(potential, structure)
    turn = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    turned = changed(structure, positions=structure.positions @ turn.T + [5.0, 0.1, -3.0], cell=structure.cell @ turn.T)
    after = _predict(potential, turned)
    close(before.spread.energy, after.spread.energy, 1e-6, "spread of the energy after a rotation")
    close(
        np.linalg.norm(before.spread.forces, axis=1),
        np.linalg.norm(after.spread.forces, axis=1),
        1e-6,
        "length of the spread of forces after a rotation",
    )


def padding_and_neighbours_in_a_batch_change_no_spread(potential: Potential) -> None:
    """A structure has the same spread alone, with padding, and beside another one."""
    structure = crystal(potential)
    shift = 0.03 * np.sin(np.arange(structure.positions.size)).reshape(-1, 3)
    moved = changed(structure, positions=structure.positions + shift)
    data = Dataset(tuple(LabelledStructure(one) for one in (structure, moved, structure)))
    atoms = structure.number_of_atoms
    for batch in Batches(data, potential.cutoff, 2).in_order():
        found = _with_spread(potential, batch.graph)
        single = _with_spread(potential, graph_of(potential, structure, dtype=jnp.float32))
        close(single.spread.energy[0], found.spread.energy[0], 1e-3, "spread of the energy in a batch")
        close(single.spread.forces, found.spread.forces[:atoms], 1e-3, "spread of the forces in a batch")
        alone = structure_spread(single.spread, graph_of(potential, structure, dtype=jnp.float32))
        beside = structure_spread(found.spread, batch.graph)
        close(alone.forces[0], beside.forces[0], 1e-3, "largest spread of a force in a batch")
        close(alone.energy[0], beside.energy[0], 1e-3, "spread of the energy per atom in a batch")
    wide, graph = _predict(potential, structure), graph_of(potential, structure)
    padded = graph_of(potential, structure, atoms=graph.mask.shape[0] + 7, neighbours=graph.mask.shape[1] + 5)
    with_room = _with_spread(cast(potential, jnp.float64), padded).spread
    close(wide.spread.energy, with_room.energy, 1e-8, "spread of the energy with padding")
    close(wide.spread.forces, with_room.forces[:atoms], 1e-8, "spread of the forces with padding")


def a_file_keeps_the_spread(potential: Potential) -> None:
    """Saved and loaded, mean and spread are the same bit by bit, and so is what it knows of validation data."""
    graph = graph_of(potential, crystal(potential), dtype=jnp.float32)
    with tempfile.TemporaryDirectory() as folder:
        again = load(potential.save(Path(folder) / "potential.mdfit"))
    before, after = _with_spread(potential, graph), _with_spread(again, graph)
    for part in ("mean", "spread"):
        for name in ("energy", "forces"):
            first, second = (np.asarray(getattr(getattr(one, part), name)) for one in (before, after))
            assert np.array_equal(first, second), f"the {part} of {name} differs after saving and loading"


def _predict(potential: Potential, structure: Structure) -> WithSpread:
    return _with_spread(cast(potential, jnp.float64), graph_of(potential, structure))


#: All checks.
SPREAD_CONTRACT: tuple[Callable[[Potential], None], ...] = (
    the_mean_is_the_potential,
    spreads_are_positive,
    the_frame_does_not_matter,
    padding_and_neighbours_in_a_batch_change_no_spread,
    a_file_keeps_the_spread,
)
