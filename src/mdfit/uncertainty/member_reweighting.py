"""What the members of a set of potentials say of the frames of one trajectory."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float
from scipy.special import softmax

from mdfit.errors import ReweightingError
from mdfit.graph import Graph
from mdfit.models import Parameters
from mdfit.observables import Observable, TrajectoryObservable
from mdfit.observables.frame_effects import frame_effects
from mdfit.observables.per_frame import per_frame
from mdfit.observables.statistics import error_of_mean
from mdfit.potentials import Potential, PotentialSet
from mdfit.reweighting import require_finite, require_weights, thermal_energy, worth_of_weights
from mdfit.reweighting.frame_values import FrameValues
from mdfit.simulate import Trajectory
from mdfit.simulate.frame_graphs import FrameGraphs
from mdfit.uncertainty.uncertain_estimate import UncertainEstimate


@dataclass(frozen=True, eq=False)
class MemberWeights:
    """The frames of one trajectory under each member.

    Attributes:
        potentials: the set.
        trajectory: of any potential that samples what the members would.
        energies: ``(members, replicas, frames)`` in eV.
        stresses: ``(members, replicas, frames, 3, 3)`` in eV/Å³.
        change: ``(members, replicas, frames)`` of the reduced energy, from the trajectory's ensemble to the member's.
        worth: ``(members,)`` independent samples of equal weight that the frames are worth.
        problems: why weights cannot be trusted, by member.

    Example:
        >>> import numpy as np
        >>> from mdfit.data import Frames
        >>> from mdfit.potentials import ExternalPolynomial, PotentialSet
        >>> from mdfit.simulate import Trajectory
        >>> from mdfit.uncertainty import member_weights
        >>> spring, *springs = (ExternalPolynomial(0, 0.0, [0, 0, k]) for k in (0.5, 0.49, 0.51))
        >>> x = np.random.default_rng(0).normal(0, 0.16, 400)
        >>> positions = np.stack([x, 0 * x, 0 * x], axis=-1)[:, None]
        >>> frames = Frames([1], [1.0], positions, np.zeros((3, 3)), [False] * 3, energies=0.5 * x**2)
        >>> found = member_weights(PotentialSet.of(springs), Trajectory.of_frames(frames, temperature=300.0))
        >>> found.worth.round(-1), found.problems
        (array([400., 400.]), {})
    """

    potentials: PotentialSet
    trajectory: Trajectory
    energies: np.ndarray
    stresses: np.ndarray
    change: np.ndarray
    worth: np.ndarray
    problems: dict[int, str]

    @property
    def sound(self) -> bool:
        """Whether averages can be trusted for every member."""
        return not self.problems

    def weights(self, member: int, first_order: bool = False) -> np.ndarray:
        """``(replicas, frames)`` of mean 1; of first order they are 1 − (Δu − <Δu>), which may be negative."""
        change = self.change[member]
        if first_order:
            return 1 - (change - change.mean())
        return softmax(-change) * change.size

    def seen_by(self, member: int) -> Trajectory:
        """The trajectory with the energies and stresses of a member."""
        return dataclasses.replace(
            self.trajectory, potential_energies=self.energies[member], stresses=self.stresses[member]
        )


def member_weights(potentials: PotentialSet, trajectory: Trajectory, made_by: Potential | None = None) -> MemberWeights:
    """Evaluates all members at every frame, side by side.

    Args:
        potentials: the set.
        trajectory: canonical, or at constant pressure; best of the mean of the set, or of one of its members.
        made_by: the potential of the trajectory; by default its stored potential energies count, which are as precise as
            the engine gave them.

    Raises:
        ReweightingError: a trajectory of constant energy, or energies that are not known or not finite.
        UnknownSpeciesError: for potentials that do not know the atoms.
    """
    require_weights(trajectory)
    potentials.check_species(set(np.asarray(trajectory.species).tolist()))
    found, strains = _on_frames(potentials, trajectory)
    own = trajectory.potential_energies if made_by is None else _energies_on_frames(made_by, trajectory)
    if np.isnan(own).any():
        raise ReweightingError("The trajectory does not hold its potential energies; give its potential as made_by.")
    require_finite(found, "energy of a member")
    change = (found - np.asarray(own, np.float64)) / float(thermal_energy(trajectory.temperature))
    told = [worth_of_weights(one) for one in change]
    periodic = bool(np.all(trajectory.periodic))
    volumes = trajectory.volumes[None, ..., None, None] if periodic else np.inf
    return MemberWeights(
        potentials,
        trajectory,
        found,
        strains / volumes,
        change,
        np.array([worth for worth, _ in told]),
        {member: "; ".join(warnings) for member, (_, warnings) in enumerate(told) if warnings},
    )


def estimate_reweighted(
    observables: Sequence[Observable | TrajectoryObservable],
    frames: MemberWeights,
    first_order: bool = False,
) -> list[UncertainEstimate]:
    """Observables of every member from the frames of one trajectory.

    Reweighting is exact for infinitely many frames.  The first-order cumulant expansion, A − β <(A − <A>)(ΔU − <ΔU>)>, is
    biased where members differ by much more than k_BT, but needs far fewer frames: it has no weights that collapse.
    G. Imbalzano et al., J. Chem. Phys. 154, 074102 (2021), doi:10.1063/5.0036522.

    As all members see the same frames, what these have in common by chance is the statistical error of the mean, and what
    members differ by is known better than from a simulation of each.

    Args:
        observables: averages over frames.
        frames: of :func:`member_weights`.
        first_order: the expansion instead of weights.

    Raises:
        ReweightingError: an observable that needs the order of the frames.
        ObservableError: one that has no meaning for the trajectory.
    """
    found = []
    for observable in observables:
        if not isinstance(observable, Observable):
            raise ReweightingError(
                f"{observable.name} needs the order of the frames, so that they cannot be weighted; simulate each member."
            )
        values, effects = zip(
            *(_of_member(observable, frames, member, first_order) for member in range(len(frames.potentials))),
            strict=True,
        )
        found.append(_together(observable, frames, np.array(values), np.array(effects), first_order))
    return found


def _of_member(
    observable: Observable, frames: MemberWeights, member: int, first_order: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The value of one member, and what each frame adds to it ``(replicas, frames, *shape)``."""
    series = per_frame(observable, frames.seen_by(member), frames.potentials[member])
    weights = frames.weights(member, first_order)
    averages = np.tensordot(weights, series, 2) / weights.sum()
    value = np.asarray(observable.combine(averages))
    if not first_order:
        return value, frame_effects(observable, series, averages, weights)
    # Of a covariance the plain mean is what frames are compared with.
    plain = series.mean(axis=(0, 1))
    linear = averages + weights.reshape(*weights.shape, *[1] * plain.ndim) * (series - plain)
    return value, frame_effects(observable, linear, averages, None)


def _together(
    observable: Observable, frames: MemberWeights, values: np.ndarray, effects: np.ndarray, first_order: bool
) -> UncertainEstimate:
    share = np.asarray(frames.potentials.weights.value)
    common = np.tensordot(share, effects, axes=1)
    flat = (*common.shape[:2], -1)
    shape = values.shape[1:]
    statistical = error_of_mean(common.reshape(flat))[0].reshape(shape)
    apart = [error_of_mean((one - common).reshape(flat))[0].reshape(shape) for one in effects]
    problems = () if first_order else tuple(f"member {member}: {text}" for member, text in frames.problems.items())
    return UncertainEstimate.of(
        observable.name,
        values,
        np.array(apart),
        independent=False,
        weights=share,
        statistical_error=np.where(np.isfinite(values[0]), statistical, np.nan),
        method="first order" if first_order else "reweighting",
        unit=observable.unit,
        labels=observable.labels,
        grid=observable.grid,
        grid_unit=observable.grid_unit,
        warnings=problems,
    )


def _on_frames(potentials: PotentialSet, trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    """Energies ``(members, replicas, frames)`` and strain derivatives ``(…, 3, 3)``, both in eV."""
    parts, strains = [], []
    for batch in FrameGraphs(trajectory, [potentials.cutoff]):
        energy, strain = _evaluate_members(potentials, batch.graphs[0])
        parts.append(np.asarray(energy, np.float64)[:, : batch.number])
        strains.append(np.asarray(strain, np.float64)[:, : batch.number])
    shape = (len(potentials), trajectory.replicas, len(trajectory))
    return np.concatenate(parts, axis=1).reshape(shape), np.concatenate(strains, axis=1).reshape(*shape, 3, 3)


def _energies_on_frames(potential: Potential, trajectory: Trajectory) -> np.ndarray:
    found = FrameValues((), trajectory, potential).energies(Parameters.of(potential))
    return found.reshape(trajectory.replicas, len(trajectory))


@eqx.filter_jit
def _evaluate_members(
    potentials: PotentialSet, graph: Graph
) -> tuple[Float[Array, "members structures"], Float[Array, "members structures 3 3"]]:
    found = potentials.members(graph)
    return found.energy, found.strain_derivative
