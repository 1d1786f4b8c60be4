"""The embedded engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from mdfit.errors import SimulationError
from mdfit.potentials import Potential
from mdfit.simulate.each_member import EachMember
from mdfit.simulate.engine import Engine
from mdfit.simulate.jax_md.simulation import JaxSimulation, Settings
from mdfit.simulate.samplers import Sampler
from mdfit.simulate.state_point import StatePoint, check_same_atoms
from mdfit.structure import Structure
from mdfit.units import quantity


@dataclass(frozen=True)
class JaxMD(Engine):
    """Potentials of mdfit with jax-md's integrators, all replicas in one compiled program.

    Neighbour lists are rebuilt before any pair can be missed; when one overflows it grows, and no step is done with an
    incomplete list.

    Args:
        skin: of the neighbour lists in Å.
        neighbour_lists: ``"auto"``, ``"host"`` or ``"device"``.
        dtype: of positions and forces.

    Raises:
        SimulationError: for a skin that is not positive, or another number format.

    Example:
        >>> from mdfit.simulate import JaxMD
        >>> engine = JaxMD(skin="1 Å", dtype="float64")
        >>> engine.skin, engine.number_format
        (1.0, 'float64')
    """

    skin: float | str = "0.5 Å"
    neighbour_lists: Literal["auto", "host", "device"] = "auto"
    dtype: Literal["float32", "float64"] = "float32"
    name: ClassVar[str] = "JaxMD"

    def __post_init__(self) -> None:
        thickness = quantity(self.skin, "Å", "skin")
        if not thickness > 0:
            raise SimulationError(
                f"The skin of the neighbour list must be positive, but is {thickness} Å; 0.5 Å suits most cases."
            )
        if self.dtype not in ("float32", "float64"):
            raise SimulationError(f"The number format is float32 or float64, not {self.dtype}.")
        object.__setattr__(self, "skin", thickness)

    @property
    def number_format(self) -> str:
        return self.dtype

    @property
    def settings(self) -> Settings:
        """As numbers."""
        return Settings(float(self.skin), self.neighbour_lists, self.dtype)

    def simulation(
        self,
        system: Potential | EachMember,
        state_points: Sequence[StatePoint],
        sampler: Sampler,
        starts: Sequence[Structure],
        unwrapped: bool = True,
    ) -> JaxSimulation:
        """See :meth:`mdfit.simulate.Engine.simulation`.

        Args:
            system: a potential, or a set of which each member drives replicas of its own.
            state_points: of the same atoms.
            sampler: one of mdfit, or of your own that has an :func:`~mdfit.simulate.jax_md.integrator`.
            starts: of every replica.
            unwrapped: whether frames go on from where the atoms of the start lie; False keeps atoms that lie far away at
                their images in the cell, near which numbers are more precise.

        Raises:
            SimulationError: for settings that make no sense.
            UnknownSpeciesError, PotentialError, StructureError: for structures that the potential does not know.
        """
        check_same_atoms(state_points)
        one = system.first if isinstance(system, EachMember) else system
        if not isinstance(one, Potential):
            raise SimulationError(
                f"JaxMD simulates a Potential, not a {type(system).__name__}: give engine=OpenMM() for a ReferenceSystem, "
                "and simulate the members of a set that are no potentials one by one."
            )
        for structure in (*(point.structure for point in state_points), *starts):
            one.check_structure(structure)
        if sampler.ensemble == "NPT":
            _check_constant_pressure(one, state_points)
        return JaxSimulation(system, state_points, sampler, starts, self.settings, unwrapped)

    def fingerprint(self, system: Potential | EachMember) -> str:
        return system.fingerprint()


def _check_constant_pressure(potential: Potential, state_points: Sequence[StatePoint]) -> None:
    if potential.fixed_in_space:
        raise SimulationError(
            "Constant pressure has no meaning in an external field, which does not follow changes of the cell; choose NVE, "
            "Langevin or NoseHoover."
        )
    if any(point.pressure is None for point in state_points):
        raise SimulationError('Constant pressure needs a pressure of every state point, for instance pressure="1 bar".')
    if not state_points[0].structure.periodic.all():
        raise SimulationError(
            "Constant pressure needs a structure that is periodic in all three directions; set its cell, or choose NVE, "
            "Langevin or NoseHoover."
        )
