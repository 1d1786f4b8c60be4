"""An ensemble of a potential while it is trained: simulated, weighed under other parameters, simulated anew."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from mdfit.errors import SimulationError
from mdfit.models import Parameters
from mdfit.observables import Observable
from mdfit.potentials import Potential
from mdfit.progress import Bar
from mdfit.reweighting.frame_values import FrameValues
from mdfit.reweighting.free_energy import FreeEnergyDifference, bennett
from mdfit.reweighting.path import along_path
from mdfit.reweighting.reweighted import Reweighted, inefficiency_of
from mdfit.reweighting.samples import SampledFrames, Samples, Starts
from mdfit.reweighting.step_halving import largest_fraction
from mdfit.reweighting.weights import log_weights, thermal_energy
from mdfit.simulate import JaxMD, Lengths, Sampler, StatePoint, Trajectory
from mdfit.simulate.jax_md.simulation import JaxSimulation, ListSizes
from mdfit.simulate.samplers import degrees_of_freedom
from mdfit.simulate.trajectory import PER_FRAME, Particles, Recording

log = logging.getLogger(__name__)


class Outlook(NamedTuple):
    """Frames of an ensemble and what they say of the present parameters.

    Attributes:
        samples: the frames, for the state of a training.
        reweighted: energies, values and weights under the present parameters.
        recomputed: whether the frames are new.

    Example:
        >>> import equinox as eqx
        >>> from mdfit import StatePoint, Structure, models, potentials, reweighting, simulate
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]]), "300 K")
        >>> lengths = simulate.Lengths(equilibration=0, between=1, frames=4)
        >>> ensemble = reweighting.Ensemble(at, simulate.Langevin("1 fs"), lengths)
        >>> spring = potentials.ExternalPolynomial(0, 0.0, [0, 0, 0.5])
        >>> parameters = models.Parameters.of(spring)
        >>> outlook = ensemble.at_hand(parameters, ensemble.empty(0, parameters), reuse=0.9)
        >>> outlook.recomputed, round(outlook.reweighted.effective_size, 2)
        (True, 4.0)
    """

    samples: Samples
    reweighted: Reweighted
    recomputed: bool

    @property
    def metrics(self) -> dict[str, jax.Array]:
        """For the log: effective number of frames, whether they are new, and the tail of the weights of old ones."""
        found = {"effective_size": self.reweighted.effective_size, "recomputed": float(self.recomputed)}
        if not self.recomputed and self.reweighted.weights_differ and np.isfinite(self.reweighted.tail.shape):
            found["pareto_k"] = self.reweighted.tail.shape
        return {name: jnp.asarray(value) for name, value in found.items()}


class Ensemble:
    """The ensemble of a potential at one state point.

    It describes how frames are made and what is asked of them; the frames themselves are :class:`Samples`, which belong to
    the state of a training.  Their values under the present parameters are kept until the frames change.

    Args:
        state_point: structure, temperature, pressure.
        sampler: ensemble and integrator.
        lengths: time steps of each simulation.
        replicas: side by side.
        observables: evaluated at each frame.
        bias: added to the potential in the simulations; frames are weighted so that averages are those without it.
        engine: moves the atoms; by default :class:`~mdfit.simulate.JaxMD`.
        free_energies: whether the free energy is followed from simulation to simulation, at the cost of the energies of
            all new frames under the parameters before.

    Example:
        >>> from mdfit import StatePoint, Structure
        >>> from mdfit.reweighting import Ensemble
        >>> from mdfit.simulate import Langevin, Lengths
        >>> at = StatePoint(Structure.in_open_space([[0, 0, 0]]), "300 K")
        >>> lengths = Lengths.of("10 ps", every="0.1 ps", equilibrate="1 ps", timestep=1.0)
        >>> ensemble = Ensemble(at, Langevin("1 fs"), lengths, replicas=4)
        >>> ensemble.where, ensemble.replicas, ensemble.lengths.frames
        ('300 K', 4, 100)
    """

    def __init__(
        self,
        state_point: StatePoint,
        sampler: Sampler,
        lengths: Lengths,
        replicas: int = 1,
        *,
        observables: Sequence[Observable] = (),
        bias: Potential | None = None,
        engine: JaxMD | None = None,
        free_energies: bool = True,
    ):
        self.state_point, self.sampler, self.lengths, self.replicas = state_point, sampler, lengths, replicas
        self.observables, self.bias, self.free_energies = tuple(observables), bias, free_energies
        self.engine = JaxMD() if engine is None else engine
        self.beta = 1 / float(thermal_energy(state_point.temperature))
        self._simulation: JaxSimulation | None = None
        self._values: tuple[SampledFrames, FrameValues] | None = None

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        settings = (self.replicas, self.observables, self.bias, self.free_energies)
        return self.state_point, self.sampler, self.lengths, self.engine, settings

    def empty(self, seed: int, parameters: Parameters) -> Samples:
        """Before the first simulation, which will be that of these parameters."""
        shape, dtype = (self.replicas, self.lengths.frames), np.dtype(self.engine.dtype)
        vectors = np.zeros((*shape, self.state_point.structure.number_of_atoms, 3), dtype)
        matrices = np.zeros((*shape, 3, 3), np.float64)
        return Samples(
            generation=np.asarray(0, np.int64),
            key=np.asarray(jax.random.key_data(jax.random.key(seed))),
            sizes=ListSizes.unknown(self.state_point.structure.number_of_atoms, self.replicas, dtype),
            frames=SampledFrames(vectors, vectors, matrices, np.zeros(shape, np.float64), matrices),
            log_shares=np.full(shape[0] * shape[1], -np.log(shape[0] * shape[1])),
            made_by=parameters.trained,
            free_energy=FreeEnergyDifference.zero(),
        )

    def under(self, parameters: Parameters, samples: Samples) -> Reweighted:
        """What the frames say of these parameters."""
        energies, *values = self._frame_values(samples.frames, parameters).of(parameters)
        return self._reweighted(samples, energies, tuple(values), parameters)

    def at_hand(
        self,
        parameters: Parameters,
        samples: Samples,
        reuse: float,
        starts: Callable[[Reweighted | None], Starts | None] = lambda _: None,
        throw_away: bool = True,
    ) -> Outlook:
        """What the frames at hand say of these parameters while they are worth enough, else those of a new simulation.

        Args:
            parameters: of the ensemble that is asked for.
            samples: what there is.
            reuse: smallest ratio of effective to all frames; above 1 means a new simulation each time.
            starts: where a new simulation starts, from what the frames before say (None before the first).
            throw_away: whether a simulation is made and forgotten before the very first one.

        Raises:
            SimulationError: when the dynamics explodes or values are not finite.
        """
        before = None
        if int(samples.generation) > 0:
            before = self.under(parameters, samples)
            if before.effective_size >= reuse * len(before) and not before.tail_is_too_heavy:
                return Outlook(samples, before, recomputed=False)
        return self.renewed(parameters, samples, before, starts(before), throw_away)

    def renewed(
        self,
        parameters: Parameters,
        samples: Samples,
        before: Reweighted | None = None,
        starts: Starts | None = None,
        throw_away: bool = True,
    ) -> Outlook:
        """The frames of a new simulation, by default from where the last one ended.

        Args:
            parameters: make it.
            samples: what there is; its key decides the noise.
            before: what these samples say of the parameters, from which the free energy goes on; None for the first ones.
            starts: where to start instead.
            throw_away: whether a simulation is made and forgotten before the very first one.

        Raises:
            SimulationError: when the dynamics explodes or values are not finite.
        """
        potential = parameters.combine() if self.bias is None else parameters.combine() + self.bias
        simulated, key, sizes = self._simulated(potential, samples, starts, throw_away)
        frames = self._frame_values(simulated, parameters)
        energies, *values = frames.of(parameters)
        if not all(np.isfinite(value).all() for value in (energies, *values)):
            raise SimulationError(
                f"Energies or observables of the simulation at {self.where} are not finite; start from another potential, "
                "choose a smaller learning rate or time step, or add a prior that keeps atoms apart. The parameters "
                "before this step are kept."
            )
        own = energies.reshape(simulated.energies.shape)
        # What the simulation added to the energy of the potential makes a frame rarer than it should be.
        rarer = 0.0 if self.bias is None else self.beta * (simulated.energies - own)
        of_replicas = np.zeros(self.replicas) if starts is None else starts.log_shares
        new = samples._replace(
            generation=samples.generation + 1,
            key=key,
            sizes=sizes,
            frames=simulated._replace(energies=own),
            log_shares=np.asarray(log_weights(-(of_replicas[:, None] + np.zeros(own.shape) + rarer).reshape(-1))),
            made_by=parameters.trained,
        )
        self._values = (new.frames, frames)
        if before is not None and self.free_energies:
            new = new._replace(free_energy=self._followed(parameters, samples, before, new, energies))
        return Outlook(new, self._reweighted(new, energies, tuple(values), parameters), recomputed=True)

    def step_fraction(self, parameters: Parameters, proposed: Any, samples: Samples, ratio: float) -> float:
        """How much of the step to the ``proposed`` trained parameters keeps the share ``ratio`` of the effective size."""

        def size(at: Parameters) -> float:
            energies = self._frame_values(samples.frames, at).energies(at)
            return self._reweighted(samples, energies, (), at).effective_size

        return largest_fraction(size, parameters, proposed, ratio * size(parameters))

    def trajectory(self, frames: SampledFrames) -> Trajectory:
        """The frames as a trajectory."""
        structure, step = self.state_point.structure, self.sampler.timestep_fs
        freedom = degrees_of_freedom(structure, self.sampler)
        recording = Recording(
            Particles(structure.species, structure.masses, structure.periodic, freedom, structure.frozen),
            (self.state_point.conditions(self.sampler.ensemble),),
            step,
            self.lengths.between * step,
        )
        arrays = dict(zip(PER_FRAME, frames, strict=True))
        moments = [{name: array[:, frame] for name, array in arrays.items()} for frame in range(self.lengths.frames)]
        return recording.trajectories(moments)[0]

    @property
    def where(self) -> str:
        """The state point in a message."""
        return f"{self.state_point.temperature:g} K"

    def _frame_values(self, frames: SampledFrames, parameters: Parameters) -> FrameValues:
        if self._values is None or self._values[0] is not frames:
            values = FrameValues(self.observables, self.trajectory(frames), parameters.combine())
            self._values = (frames, values)
        return self._values[1]

    def _reweighted(self, samples: Samples, energies: np.ndarray, values: tuple, parameters: Parameters) -> Reweighted:
        return Reweighted(
            frames=self._frame_values(samples.frames, parameters),
            energies=energies,
            values=values,
            change=self.beta * (energies - samples.frames.energies.reshape(-1)),
            log_shares=samples.log_shares,
            replicas=self.replicas,
            path=samples.free_energy,
        )

    def _followed(
        self, parameters: Parameters, samples: Samples, before: Reweighted, new: Samples, energies: np.ndarray
    ) -> FreeEnergyDifference:
        """The free energy of the present parameters, from the frames of those before and from the new ones."""
        earlier = self._frame_values(new.frames, parameters).energies(parameters._replace(trained=samples.made_by))
        link = self._between(before.change, samples, self.beta * (energies - earlier), new)
        for warning in link.warnings:
            log.warning("Free energy from simulation to simulation at %s: %s.", self.where, warning)
        return along_path([samples.free_energy, link])

    def difference_from(
        self, other: Potential, parameters: Parameters, samples: Samples, key: jax.Array
    ) -> FreeEnergyDifference:
        """β A of these parameters minus β A of another potential, from the frames at hand and from new ones of the other.

        Args:
            other: of the same atoms; it is simulated like this ensemble, for as long.
            parameters: that made the frames at hand.
            samples: these frames.
            key: of the simulation of the other.

        Raises:
            SimulationError: when the dynamics of the other explodes.
        """
        fixed = Parameters(*eqx.partition(other, lambda _: False))
        of_other = Ensemble(self.state_point, self.sampler, self.lengths, self.replicas, engine=self.engine)
        empty = of_other.empty(0, fixed)._replace(key=np.asarray(jax.random.key_data(key)))
        theirs = of_other.renewed(fixed, empty).samples
        here = self.beta * (samples.frames.energies.reshape(-1) - self._energies(samples.frames, fixed))
        there = self.beta * (self._energies(theirs.frames, parameters) - theirs.frames.energies.reshape(-1))
        return self._between(there, theirs, here, samples)

    def _between(
        self, first: np.ndarray, of_first: Samples, second: np.ndarray, of_second: Samples
    ) -> FreeEnergyDifference:
        """β ΔA from the changes of the reduced energy, of the same sign, in the frames of two ensembles."""
        return bennett(
            first,
            second,
            first_log_weights=jnp.asarray(of_first.log_shares),
            second_log_weights=jnp.asarray(of_second.log_shares),
            first_inefficiency=inefficiency_of(first, self.replicas),
            second_inefficiency=inefficiency_of(second, self.replicas),
        )

    def _energies(self, frames: SampledFrames, parameters: Parameters) -> np.ndarray:
        return FrameValues((), self.trajectory(frames), parameters.combine()).energies(parameters)

    def _simulated(
        self, potential: Potential, samples: Samples, starts: Starts | None, throw_away: bool
    ) -> tuple[SampledFrames, np.ndarray, ListSizes]:
        """Frames with the energies of the simulation, the next random key, and the sizes of the neighbour lists."""
        now, later = jax.random.split(jax.random.wrap_key_data(jnp.asarray(samples.key)))
        simulation = self._started(potential, samples, starts, now)
        bar = Bar()
        if samples.generation == 0 and throw_away:
            simulation.advance(self.lengths.frames * self.lengths.between, bar)
        if self.lengths.equilibration:
            simulation.advance(self.lengths.equilibration, bar)
        moments = []
        for _ in range(self.lengths.frames):
            simulation.advance(self.lengths.between, bar)
            moments.append(simulation.frame())
        arrays = (np.stack([moment[name] for moment in moments], axis=1) for name in PER_FRAME)
        kinds = (old.dtype for old in samples.frames)
        frames = SampledFrames(*(np.asarray(array, kind) for array, kind in zip(arrays, kinds, strict=True)))
        return frames, np.asarray(jax.random.key_data(later)), simulation.sizes()

    def _started(self, potential: Potential, samples: Samples, starts: Starts | None, key: jax.Array) -> JaxSimulation:
        if self._simulation is None:
            point = self.state_point
            replicas = [point.structure] * self.replicas
            self._simulation = self.engine.simulation(potential, [point], self.sampler, replicas, unwrapped=False)
        simulation = self._simulation
        # What an earlier training with the same objective left behind must not matter.
        simulation.restore_sizes(samples.sizes)
        if starts is not None:
            simulation.restart(potential, starts.positions, None, starts.cells, key)
        elif samples.generation > 0:
            last = samples.frames
            simulation.restart(potential, last.positions[:, -1], last.velocities[:, -1], last.cells[:, -1], key)
        else:
            simulation.potential = simulation.in_its_precision(potential)
            simulation.begin(key)
        return simulation
