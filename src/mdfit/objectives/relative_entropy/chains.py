"""The model's own frames: many short simulations side by side, their weights and their free energy."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import SimulationError
from mdfit.objectives.base import Parameters
from mdfit.objectives.frame_values import FrameValues
from mdfit.objectives.reference_trajectories import Reference, ReferenceSampler, Starts
from mdfit.objectives.relative_entropy.ensemble import MappedEnsemble
from mdfit.objectives.relative_entropy.newton import Curvature
from mdfit.objectives.step_halving import largest_fraction
from mdfit.potentials import Potential
from mdfit.reweighting import bennett, effective_size, log_weights, systematic_resampling, thermal_energy
from mdfit.simulate import JaxMD, Lengths, Sampler


class ChainState(NamedTuple):
    """The chains at hand and all that is needed to go on; arrays only, for checkpoints.

    Attributes:
        reference: the frames of all chains, and their potential energies with the parameters that made them.
        shares: ``(frames of all chains,)`` ln of the share of the ensemble that each frame stands for.
        made_by: the trained parameters that made the frames.
        free_energy: β A of the model that made the frames minus that of the first model.
        origin: the loss of the first model; NaN before it is known.
        updates: evaluations done.
        seed: decides the order of the reference frames and the starts.
    """

    reference: Reference
    shares: np.ndarray
    made_by: Any
    free_energy: np.ndarray
    origin: np.ndarray
    updates: np.ndarray
    seed: np.ndarray


class Model(NamedTuple):
    """What the frames say of the present model.

    Attributes:
        frames: as functions of the parameters.
        energies: ``(frames,)`` in eV.
        weights: ``(frames,)``, of sum 1.
        effective_size: of the weights, relative to those that the frames started with, times the number of frames; at
            most that number.
        free_energy: β A minus that of the first model.
        recomputed: whether the chains are new.
    """

    frames: FrameValues
    energies: np.ndarray
    weights: np.ndarray
    effective_size: float
    free_energy: float
    recomputed: bool

    def curvature(self, parameters: Parameters, beta: float) -> Curvature:
        """The second derivative of the relative entropy at this model."""
        return Curvature.of(self.frames.energy_gradients(parameters), self.weights, beta)


class Chains:
    """Simulations of the model at one state point.

    Args:
        ensemble: the reference, for starts.
        sampler: ensemble and integrator.
        lengths: of each chain.
        chains: how many.
        start: ``"last"``, ``"weights"`` or ``"reference"``.
        bias: added to the model in the simulations; frames are weighted so that averages are those without it.
        reuse: smallest ratio of effective to all frames with which chains are used again.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.
    """

    def __init__(
        self,
        ensemble: MappedEnsemble,
        sampler: Sampler,
        lengths: Lengths,
        chains: int,
        start: str,
        bias: Potential | None,
        reuse: float,
        engine: JaxMD,
    ):
        self._ensemble, self._chains, self._start, self._bias, self._reuse = ensemble, chains, start, bias, reuse
        self._sampler = ReferenceSampler(ensemble.state_point, sampler, lengths, chains, engine)
        self.beta = 1 / float(thermal_energy(ensemble.state_point.temperature))
        self._frames: tuple[Reference, FrameValues] | None = None

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        return self._ensemble, self._chains, self._start, self._bias, self._reuse, self._sampler

    def empty(self, seed: int, trained: Any) -> ChainState:
        """Before the first simulation."""
        return ChainState(
            reference=self._sampler.empty(seed),
            shares=self._shares(np.zeros(self._chains), 0.0),
            made_by=trained,
            free_energy=np.asarray(0.0),
            origin=np.asarray(np.nan),
            updates=np.asarray(0, np.int64),
            seed=np.asarray(seed, np.int64),
        )

    def evaluated(self, parameters: Parameters, state: ChainState) -> tuple[ChainState, Model]:
        """The frames with their weights at these parameters, made anew where they are worth too little."""
        if int(state.reference.generation) > 0:
            frames = self._values(state.reference, parameters)
            model = self._model(frames, frames.energies(parameters), state, recomputed=False)
            if model.effective_size >= self._reuse * len(model.energies):
                return state, model
            return self._renewed(parameters, state, model)
        return self._renewed(parameters, state, None)

    def step_fraction(self, parameters: Parameters, proposed: Any, state: ChainState, ratio: float) -> float:
        def size(at: Parameters) -> float:
            return self._effective_size(self._log_weights(self._values(state.reference, at).energies(at), state), state)

        return largest_fraction(size, parameters, proposed, ratio * size(parameters))

    def _renewed(self, parameters: Parameters, state: ChainState, old: Model | None) -> tuple[ChainState, Model]:
        """New chains; the free energy goes on from that of the old ones."""
        starts, of_chains = self._starts(state, old)
        # Chains that set out from the reference anew each time need no trajectory to forget the very first start.
        throw_away = self._start != "reference"
        potential = parameters.combine() if self._bias is None else parameters.combine() + self._bias
        reference = self._sampler.renewed(potential, state.reference, starts, throw_away)
        frames = self._values(reference, parameters)
        energies = frames.energies(parameters)
        if not np.isfinite(energies).all():
            raise SimulationError(
                "Energies of the chains are not finite; choose a smaller learning rate, a shorter time step or a prior "
                "that keeps beads apart."
            )
        own = energies.reshape(reference.frames[3].shape)
        # What the simulation added to the energy of the model makes a frame rarer than it should be.
        shares = self._shares(of_chains, 0.0 if self._bias is None else self.beta * (reference.frames[3] - own))
        reference = reference._replace(frames=(*reference.frames[:3], own, *reference.frames[4:]))
        self._frames = (reference, frames)
        link = 0.0 if old is None else self._link(parameters, state, old, frames, energies, shares)
        state = state._replace(
            reference=reference,
            shares=shares,
            made_by=parameters.trained,
            free_energy=np.asarray(float(state.free_energy) + link),
        )
        return state, self._model(frames, energies, state, recomputed=True)

    def _link(
        self, parameters: Parameters, state: ChainState, old: Model, frames: FrameValues, energies, shares
    ) -> float:
        """β ΔA from the model that made the old frames to the present one, from the frames of both."""
        earlier = frames.energies(parameters._replace(trained=state.made_by))
        link = bennett(
            self.beta * (old.energies - state.reference.frames[3].reshape(-1)),
            self.beta * (energies - earlier),
            first_log_weights=jnp.asarray(state.shares),
            second_log_weights=jnp.asarray(shares),
        )
        return float(link.difference)

    def _starts(self, state: ChainState, old: Model | None) -> tuple[Starts | None, np.ndarray]:
        """Where new chains begin, and ln of the share of the ensemble that each stands for."""
        generation = int(state.reference.generation)
        generator = np.random.default_rng([int(state.seed), generation])
        equal = np.full(self._chains, -np.log(self._chains))
        if self._start == "reference":
            return self._ensemble.starts(generator, self._chains, stratified=True)
        if old is None:
            # With a bias they shall wander everywhere.
            return self._ensemble.starts(generator, self._chains, stratified=self._bias is not None)[0], equal
        if self._start == "last":
            return None, equal
        with np.errstate(divide="ignore"):
            # Of the ensemble that is simulated: the bias is taken back once, by the shares of the new frames.
            logarithms = np.log(old.weights) - state.shares
        chosen = systematic_resampling(logarithms, self._chains, generator)
        positions, _, cells, *_ = state.reference.frames
        return Starts(positions.reshape(-1, *positions.shape[2:])[chosen], cells.reshape(-1, 3, 3)[chosen]), equal

    def _model(self, frames: FrameValues, energies: np.ndarray, state: ChainState, recomputed: bool) -> Model:
        logarithms = self._log_weights(energies, state)
        change = self.beta * (energies - state.reference.frames[3].reshape(-1))
        link = -float(jax.nn.logsumexp(state.shares - change))
        return Model(
            frames=frames,
            energies=energies,
            weights=np.asarray(jnp.exp(logarithms)),
            effective_size=self._effective_size(logarithms, state),
            free_energy=float(state.free_energy) + link,
            recomputed=recomputed,
        )

    def _log_weights(self, energies: np.ndarray, state: ChainState) -> jax.Array:
        change = self.beta * (energies - state.reference.frames[3].reshape(-1))
        return log_weights(change - state.shares)

    def _effective_size(self, logarithms: jax.Array, state: ChainState) -> float:
        own = float(effective_size(jnp.asarray(state.shares)))
        return min(float(effective_size(logarithms)) / own, 1.0) * len(logarithms)

    def _shares(self, of_chains: np.ndarray, bias: np.ndarray | float) -> np.ndarray:
        """Logarithm of the share of each frame, from that of its chain and from β times the bias."""
        frames = of_chains[:, None] + np.zeros(self._sampler.lengths.frames) + bias
        return np.asarray(log_weights(-frames.reshape(-1)))

    def _values(self, reference: Reference, parameters: Parameters) -> FrameValues:
        if self._frames is None or self._frames[0].frames is not reference.frames:
            trajectory = self._sampler.trajectory(reference)
            self._frames = (reference, FrameValues((), trajectory, parameters.combine()))
        return self._frames[1]
