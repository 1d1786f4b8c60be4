"""Reference trajectories of one state point: made with the present potential, reused while their weights allow."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mdfit.potentials import Potential
from mdfit.progress import Bar
from mdfit.simulate import JaxMD, Lengths, Sampler, StatePoint, Trajectory
from mdfit.simulate.jax_md.simulation import JaxSimulation
from mdfit.simulate.samplers import degrees_of_freedom
from mdfit.simulate.trajectory import PER_FRAME, Particles, Recording


class Reference(NamedTuple):
    """The frames at hand, all that is needed to weigh them and to go on; arrays only, for checkpoints.

    Attributes:
        generation: how many trajectories have been made; 0 before the first.
        key: raw random key of the next one.
        sizes: of the neighbour lists.
        frames: the arrays of the trajectory, in the order of ``PER_FRAME``; the potential energies are those of the
            potential that made it, evaluated as later ones are.
    """

    generation: np.ndarray
    key: np.ndarray
    sizes: np.ndarray
    frames: tuple[np.ndarray, ...]


class Starts(NamedTuple):
    """Where the replicas of a new trajectory start; velocities are drawn from their distribution.

    Attributes:
        positions: ``(replicas, atoms, 3)`` in Å.
        cells: ``(replicas, 3, 3)`` in Å.
    """

    positions: np.ndarray
    cells: np.ndarray


class ReferenceSampler:
    """Makes the reference trajectories of one state point.

    Args:
        state_point: structure, temperature, pressure.
        sampler: ensemble and integrator.
        lengths: time steps of each trajectory.
        replicas: side by side.
        engine: moves the atoms.
    """

    def __init__(
        self, state_point: StatePoint, sampler: Sampler, lengths: Lengths, replicas: int, engine: JaxMD | None = None
    ):
        self.state_point, self.sampler, self.lengths = state_point, sampler, lengths
        self.engine = JaxMD() if engine is None else engine
        self._replicas, self._dtype = replicas, np.dtype(self.engine.dtype)
        self._simulation: JaxSimulation | None = None

    def identity(self) -> tuple:
        """See :func:`mdfit.storage.fingerprint`."""
        return self.state_point, self.sampler, self.lengths, self._replicas, self.engine

    def empty(self, seed: int) -> Reference:
        """Before the first trajectory."""
        structure = self.state_point.structure
        shape = (self._replicas, self.lengths.frames)
        vectors = np.zeros((*shape, structure.number_of_atoms, 3), self._dtype)
        matrices = np.zeros((*shape, 3, 3), np.float64)
        return Reference(
            generation=np.asarray(0, np.int64),
            key=np.asarray(jax.random.key_data(jax.random.key(seed))),
            sizes=np.zeros(2, np.int64),
            frames=(vectors, vectors, matrices, np.zeros(shape, np.float64), matrices),
        )

    def renewed(
        self, potential: Potential, reference: Reference, starts: Starts | None = None, throw_away: bool = True
    ) -> Reference:
        """A new trajectory, by default from where the last one ended.

        Args:
            potential: makes it.
            reference: what there is; its key decides the noise.
            starts: where to start instead.
            throw_away: whether a trajectory is made and forgotten before the very first one.

        Raises:
            SimulationError: when the dynamics explodes.
        """
        now, later = jax.random.split(jax.random.wrap_key_data(jnp.asarray(reference.key)))
        simulation = self._start(potential, reference, starts, now)
        bar = Bar()
        if reference.generation == 0 and throw_away:
            simulation.advance(self.lengths.frames * self.lengths.between, bar)
        if self.lengths.equilibration:
            simulation.advance(self.lengths.equilibration, bar)
        frames = []
        for _ in range(self.lengths.frames):
            simulation.advance(self.lengths.between, bar)
            frames.append(simulation.frame())
        trajectory = self._recording().trajectories(frames)[0]
        return Reference(
            generation=reference.generation + 1,
            key=np.asarray(jax.random.key_data(later)),
            sizes=simulation.sizes(),
            frames=tuple(
                np.asarray(getattr(trajectory, name), a.dtype)
                for name, a in zip(PER_FRAME, reference.frames, strict=True)
            ),
        )

    def trajectory(self, reference: Reference) -> Trajectory:
        """The frames as a trajectory."""
        arrays: dict[str, Any] = dict(zip(PER_FRAME, reference.frames, strict=True))
        moments = [{name: array[:, frame] for name, array in arrays.items()} for frame in range(self.lengths.frames)]
        return self._recording().trajectories(moments)[0]

    def _recording(self) -> Recording:
        structure, step = self.state_point.structure, self.sampler.timestep_fs
        freedom = degrees_of_freedom(structure, self.sampler)
        return Recording(
            Particles(structure.species, structure.masses, structure.periodic, freedom, structure.frozen),
            self.sampler.ensemble,
            (self.state_point.temperature,),
            (self.state_point.pressure,),
            step,
            self.lengths.between * step,
        )

    def _start(
        self, potential: Potential, reference: Reference, starts: Starts | None, key: jax.Array
    ) -> JaxSimulation:
        if self._simulation is None:
            point = self.state_point
            replicas = [point.structure] * self._replicas
            self._simulation = self.engine.simulation(potential, [point], self.sampler, replicas, unwrapped=False)
        # What an earlier training with the same objective left behind must not matter.
        self._simulation.restore_sizes(reference.sizes)
        if starts is not None:
            positions = np.asarray(starts.positions, self._dtype)
            self._simulation.restart(potential, positions, None, starts.cells, key)
        elif reference.generation > 0:
            positions, velocities, cells, *_ = reference.frames
            self._simulation.restart(potential, positions[:, -1], velocities[:, -1], cells[:, -1], key)
        else:
            self._simulation.potential = self._simulation.in_its_precision(potential)
            self._simulation.begin(key)
        return self._simulation
