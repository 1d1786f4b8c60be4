"""Relative entropy minimisation: a coarse-grained model whose frames are distributed like mapped reference frames.

M. S. Shell, J. Chem. Phys. 129, 144108 (2008), doi:10.1063/1.2992060; for neural potentials S. Thaler, M. Stupp,
J. Zavadlav, J. Chem. Phys. 157, 244103 (2022), doi:10.1063/5.0124538.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import SimulationError, TrainingError
from mdfit.models import Parameters
from mdfit.objectives.base import Evaluation, Metrics, Objective, Step, point_seed, require_potential, weighted_sum
from mdfit.objectives.relative_entropy.chain_starts import ChainStarts, Start
from mdfit.objectives.relative_entropy.mapped_ensemble import MappedEnsemble
from mdfit.objectives.relative_entropy.newton import Curvature, newton_step
from mdfit.objectives.relative_entropy.portions import Portions
from mdfit.potentials import Potential
from mdfit.reweighting import Ensemble, Outlook, Samples
from mdfit.reweighting.frame_values import FrameTree, FrameValues
from mdfit.simulate import JaxMD, Lengths, Sampler


class ChainState(NamedTuple):
    """The chains of one state point and how far its training has come; arrays only, for checkpoints.

    Attributes:
        samples: frames of the chains.
        origin: the loss of the first model; NaN before it is known.
        updates: evaluations done.
        seed: decides the order of the reference frames and the starts.
    """

    samples: Samples
    origin: np.ndarray
    updates: np.ndarray
    seed: np.ndarray


class _Point(NamedTuple):
    """One state point: its chains, where they start, and the reference in portions."""

    ensemble: Ensemble
    starts: ChainStarts
    portions: Portions

    def reference(self, state: ChainState, parameters: Parameters) -> FrameValues:
        """The reference frames of the next update."""
        return self.portions.of_update(int(state.updates), int(state.seed), parameters.combine())


class Drawn(NamedTuple):
    """What the loss at one state point depends on.

    Attributes:
        reference: frames of the reference.
        chains: frames of the model.
        energies: ``(samples,)`` in eV of the parameters that made the frames of the model.
        log_shares: ``(samples,)`` ln of the share of the ensemble that each of them stands for.
        constant: β A of these parameters minus that of the first ones, plus the origin of the loss.
    """

    reference: FrameTree
    chains: FrameTree
    energies: np.ndarray
    log_shares: np.ndarray
    constant: np.ndarray


class RelativeEntropy(Objective):
    """Relative entropy of a model to its reference, up to a constant: the value at the first parameters is zero.

    L(θ) = β (<U_θ>_reference − A_θ), with gradient β (<∂U_θ/∂θ>_reference − <∂U_θ/∂θ>_model): the energy is lowered
    where the reference is, and raised where the model goes.  The second average is taken over many short simulations of
    the model side by side, reweighted while their effective number allows.  The free energy A_θ is summed up along the
    training by Bennett's acceptance ratio between successive models; its sum is the loss in the log.

    Args:
        ensembles: the reference, at one or several state points.
        sampler: ensemble and integrator; the trained model is right for this time step, whose error it compensates.
        sample: length of each chain per update, in fs or with a unit.
        every: between saved frames.
        equilibrate: dropped at the start of each chain.
        chains: simulations side by side.
        start: where a new set of chains begins: ``"last"``, where the last ones ended; ``"weights"``, at frames of the
            last ones, drawn by their weights; ``"reference"``, at reference frames, evenly spread over the strata of the
            ensemble, so that no region is ever left without a chain, however rare.  A chain of the last kind stands
            for its share of the reference: how regions share the frames is then learned only as far as chains cross
            between them.
        bias: a potential that is added to the model in the simulations, and taken back by the weights of the frames.  One
            that flattens the barriers between the regions, such as minus their free energy in the reference, lets the
            chains cross, so that the populations of rare regions are learned.  Its first chains are spread over the
            strata of the ensemble.
        batch: reference frames per update; all by default.
        reuse: smallest ratio of effective to all frames with which chains are used again; above 1 means never.
        step_ratio: an update is shortened so that it leaves at least this share of the effective frames; None switches
            the limit off.
        newton: damping (0.01, say) of Newton steps with the covariance of ∂U/∂θ, which then stand in place of the
            gradient, for ``optax.sgd(1.0)`` or less.  With pair tables this is inverse Monte Carlo (A. P. Lyubartsev,
            A. Laaksonen, Phys. Rev. E 52, 3730 (1995), doi:10.1103/PhysRevE.52.3730).  Not in sums with others.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.

    Raises:
        TrainingError: for settings out of range, and a reference of fewer frames than the batch.
        SimulationError: when the dynamics explodes; :func:`mdfit.fit` then takes back a part of the last update.

    Example:
        >>> from mdfit import Structure
        >>> from mdfit.data import Dataset, LabelledStructure
        >>> from mdfit.objectives import MappedEnsemble, RelativeEntropy
        >>> from mdfit.simulate import Langevin
        >>> dimers = [Structure.in_open_space([[0, 0, 0], [0, 0, z]]) for z in (1.1, 1.2, 1.3)]
        >>> reference = MappedEnsemble.of(Dataset([LabelledStructure(dimer) for dimer in dimers]), "300 K")
        >>> objective = RelativeEntropy(reference, Langevin("2 fs"), sample="1 ps", every="0.1 ps", batch=1)
        >>> objective.steps_per_epoch, objective.takes_steps
        (1, False)
    """

    steps_per_epoch = 1
    #: The loss of the first model is zero.
    validates = False

    def __init__(
        self,
        ensembles: MappedEnsemble | Sequence[MappedEnsemble],
        sampler: Sampler,
        *,
        sample: str | float,
        every: str | float,
        equilibrate: str | float = 0.0,
        chains: int = 64,
        start: Start = "last",
        bias: Potential | None = None,
        batch: int | None = None,
        reuse: float = 1.1,
        step_ratio: float | None = None,
        newton: float | None = None,
        engine: JaxMD | None = None,
    ):
        ensembles = [ensembles] if isinstance(ensembles, MappedEnsemble) else list(ensembles)
        _check(ensembles, sampler, chains, start, bias, batch, reuse, step_ratio, newton)
        self._newton, self._step_ratio, self._reuse = newton, step_ratio, reuse
        self.takes_steps = newton is not None
        lengths = Lengths.of(sample, every, equilibrate, sampler.timestep_fs)
        engine = JaxMD() if engine is None else engine
        self._points = [
            _Point(
                Ensemble(one.state_point, sampler, lengths, chains, bias=bias, engine=engine),
                ChainStarts(one, chains, start, spread=bias is not None),
                Portions(one, len(one) if batch is None else batch, engine.dtype),
            )
            for one in ensembles
        ]

    def initial_state(self, seed: int, parameters: Parameters) -> tuple[ChainState, ...]:
        require_potential("RelativeEntropy", parameters.combine())
        return tuple(
            ChainState(
                samples=point.ensemble.empty(point_seed(seed, index), parameters),
                origin=np.asarray(np.nan),
                updates=np.asarray(0, np.int64),
                seed=np.asarray(point_seed(seed, index), np.int64),
            )
            for index, point in enumerate(self._points)
        )

    def draw(
        self, parameters: Parameters, state: tuple[ChainState, ...]
    ) -> tuple[tuple[Drawn, ...], tuple[ChainState, ...]]:
        """Reference frames and frames of the chains, which are simulated anew where they are worth too little."""
        drawn, states = [], []
        for point, old in zip(self._points, state, strict=True):
            reference = point.reference(old, parameters)
            outlook = self._at_hand(point, old, parameters)
            samples = outlook.samples
            raw = point.ensemble.beta * float(reference.energies(parameters).mean())
            origin = _origin(old, raw - float(outlook.reweighted.free_energy.difference))
            drawn.append(
                Drawn(
                    reference.tree(),
                    outlook.reweighted.frames.tree(),
                    samples.frames.energies.reshape(-1),
                    samples.log_shares,
                    np.asarray(samples.free_energy.difference) + origin,
                )
            )
            states.append(ChainState(samples, origin, old.updates + 1, old.seed))
        return tuple(drawn), tuple(states)

    def loss(self, model: Potential, batch: tuple[Drawn, ...]) -> tuple[Float[Array, ""], Metrics]:
        losses = []
        for point, own in zip(self._points, batch, strict=True):
            beta = point.ensemble.beta
            (reference,), (energies,) = own.reference.values(model), own.chains.values(model)
            step = -jax.nn.logsumexp(own.log_shares - beta * (energies - own.energies))
            losses.append(beta * jnp.mean(reference) - step - own.constant)
        return jnp.sum(jnp.stack(losses)), {}

    def evaluate(
        self, parameters: Parameters, state: tuple[ChainState, ...]
    ) -> tuple[Evaluation | Step, tuple[ChainState, ...]]:
        """Loss and gradient; new chains are simulated where the old ones are worth too little."""
        outcomes = [self._at(*pair, parameters) for pair in zip(self._points, state, strict=True)]
        evaluations = [evaluation for evaluation, *_ in outcomes]
        loss, direction = weighted_sum([1.0] * len(outcomes), evaluations)
        if self._newton is not None:
            direction = newton_step([curvature for *_, curvature in outcomes], direction, self._newton)
        metrics: dict[str, Any] = {}
        for index, evaluation in enumerate(evaluations):
            prefix = f"{index}/" if len(outcomes) > 1 else ""
            metrics |= {prefix + name: value for name, value in evaluation.metrics.items()}
        kind = Step if self.takes_steps else Evaluation
        return kind(loss, direction, metrics), tuple(chains for _, chains, _ in outcomes)

    def _at(
        self, point: _Point, state: ChainState, parameters: Parameters
    ) -> tuple[Evaluation, ChainState, Curvature | None]:
        """Loss and gradient at one state point, its chains and, for Newton steps, the second derivative."""
        reference = point.reference(state, parameters)
        energies, mean_slope = reference.energies_and_mean_gradient(parameters)
        if not np.isfinite(energies).all():
            raise SimulationError(
                f"The energy of reference frame {int(np.flatnonzero(~np.isfinite(energies))[0])} of a batch is not finite; "
                "look for overlapping beads in the reference, or start from another potential."
            )
        outlook = self._at_hand(point, state, parameters)
        model, beta = outlook.reweighted, point.ensemble.beta
        up = model.frames.pull_back(parameters, (beta * model.weights,))
        gradient = jax.tree.map(lambda down, up: beta * down - up, mean_slope, up)
        raw = beta * float(energies.mean()) - float(model.free_energy.difference)
        origin = _origin(state, raw)
        metrics = outlook.metrics | {
            "energy_gap": jnp.asarray(beta * (energies.mean() - model.weights @ model.energies)),
            "gradient_norm": jnp.sqrt(sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(gradient))),
        }
        curvature = None
        if self._newton is not None:
            curvature = Curvature.of(model.frames.energy_gradients(parameters), model.weights, beta)
        new = ChainState(outlook.samples, origin, state.updates + 1, state.seed)
        return Evaluation(jnp.asarray(raw - float(origin)), gradient, metrics), new, curvature

    def _at_hand(self, point: _Point, state: ChainState, parameters: Parameters) -> Outlook:
        return point.ensemble.at_hand(
            parameters,
            state.samples,
            self._reuse,
            starts=lambda before: point.starts.next(state.samples, before, int(state.seed)),
            # Chains that set out from the reference anew each time need no trajectory to forget the very first start.
            throw_away=point.starts.kind != "reference",
        )

    def step_fraction(self, parameters: Parameters, proposed: Any, state: tuple[ChainState, ...]) -> float:
        """How much of the step to the ``proposed`` trained parameters keeps enough effective frames."""
        if self._step_ratio is None:
            return 1.0
        return min(
            point.ensemble.step_fraction(parameters, proposed, own.samples, self._step_ratio)
            for point, own in zip(self._points, state, strict=True)
        )


def _origin(state: ChainState, loss: float) -> np.ndarray:
    """The loss of the first model, which is this one when there was none before."""
    return np.asarray(loss) if np.isnan(state.origin) else state.origin


def _check(
    ensembles: Sequence[MappedEnsemble],
    sampler: Sampler,
    chains: int,
    start: Start,
    bias: Potential | None,
    batch: int | None,
    reuse: float,
    step_ratio: float | None,
    newton: float | None,
) -> None:
    if not ensembles:
        raise TrainingError("Relative entropy needs at least one reference ensemble.")
    if sampler.ensemble != "NVT":
        raise TrainingError(
            f"Relative entropy compares canonical ensembles, but the sampler is {sampler.ensemble}; use Langevin, Brownian "
            "or NoseHoover."
        )
    if start not in ("last", "weights", "reference"):
        raise TrainingError(f'start is "last", "weights" or "reference", not {start!r}.')
    if bias is not None and start == "reference":
        raise TrainingError(
            'Chains with a bias find their shares of the ensemble themselves; use start="last" or "weights" with it.'
        )
    if chains < 1 or not reuse > 0 or not (step_ratio is None or 0 < step_ratio < 1):
        raise TrainingError(
            f"There must be at least one chain, reuse > 0 and step_ratio in (0, 1), not {chains}, {reuse} and {step_ratio}."
        )
    if newton is not None and not newton >= 0:
        raise TrainingError(f"newton is a damping of at least 0, not {newton}.")
    for ensemble in ensembles:
        if batch is not None and not 1 <= batch <= len(ensemble):
            raise TrainingError(
                f"A batch of {batch} frames cannot be drawn from a reference of {len(ensemble)}; lower batch, or leave it "
                "out to use all."
            )
