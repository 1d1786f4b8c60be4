"""External fields: energies of single atoms that depend on where they are."""

from __future__ import annotations

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mdfit.errors import PotentialError
from mdfit.graph import Graph, Reads
from mdfit.potentials.base import Potential
from mdfit.potentials.cubic_spline import cubic_spline
from mdfit.units import quantity


class ExternalField(Potential):
    """E = Σ_i u(r_i); a subclass implements :meth:`field_energy`.

    Positions are taken as they are, not wrapped into the cell: use directions that are not periodic, or a field of the
    period of the cell.  The field is fixed in space, so that it takes no part in strain derivatives, stresses and
    stiffnesses; simulations at constant pressure refuse it.  The cutoff is zero: a field alone needs no neighbours.

    Example:
        >>> import numpy as np
        >>> from mdfit.potentials import ExternalField, field_curve
        >>> class Gravity(ExternalField):
        ...     def field_energy(self, positions, species):
        ...         return 0.5 * positions[:, 2]
        >>> field_curve(Gravity(), np.array([1.0, 2.0]), axis=2).tolist()
        [0.5, 1.0]
    """

    many_body = False
    reads = Reads(edges=False, positions=True)
    fixed_in_space = True

    @property
    def cutoff(self) -> float:  # type: ignore[override]
        return 0.0

    @property
    def species(self) -> tuple[int, ...]:  # type: ignore[override]
        return ()

    @abc.abstractmethod
    def field_energy(self, positions: Float[Array, "atoms 3"], species: Int[Array, " atoms"]) -> Float[Array, " atoms"]:
        """Energies u in eV at positions in Å, for atomic numbers; the value for padding atoms (species 0) is ignored."""
        raise NotImplementedError

    def atomic_energies(self, graph: Graph) -> Float[Array, " atoms"]:
        return self.field_energy(graph.known_positions(), graph.species)


class ExternalSpline(ExternalField):
    """A uniform cubic B-spline along one axis, twice continuously differentiable, a straight line outside its range.

    Args:
        axis: 0, 1 or 2.
        minimum, maximum: first and last knot in Å.
        intervals: between the knots.
        coefficients: ``(intervals + 3,)`` in eV; zeros by default.

    Raises:
        PotentialError: for knots out of order, or coefficients that do not fit them.
        UnitError: for quantities of another dimension.

    Example:
        >>> import numpy as np
        >>> from mdfit.potentials import ExternalSpline, field_curve
        >>> flat = ExternalSpline(0, "-2 Å", "2 Å", intervals=4, coefficients=np.ones(7))
        >>> field_curve(flat, np.array([-1.0, 0.3])).round(3).tolist()
        [1.0, 1.0]
    """

    axis: int = eqx.field(static=True)
    minimum: float = eqx.field(static=True)
    maximum: float = eqx.field(static=True)
    intervals: int = eqx.field(static=True)
    coefficients: Float[Array, " coefficients"]

    def __init__(
        self, axis: int, minimum: float | str, maximum: float | str, intervals: int = 50, coefficients: Any = None
    ):
        self.axis, self.intervals = _axis(axis), intervals
        self.minimum, self.maximum = quantity(minimum, "Å", "minimum"), quantity(maximum, "Å", "maximum")
        if not self.minimum < self.maximum or intervals < 1:
            raise PotentialError(
                f"A spline needs at least 1 interval between minimum < maximum, not {intervals} between {self.minimum} and "
                f"{self.maximum} Å."
            )
        values = np.zeros(intervals + 3) if coefficients is None else np.asarray(coefficients, np.float64)
        if values.shape != (intervals + 3,):
            raise PotentialError(
                f"A spline of {intervals} intervals needs {intervals + 3} coefficients, not an array of {values.shape}."
            )
        self.coefficients = jnp.asarray(values, jnp.float64)

    def field_energy(self, positions: Float[Array, "atoms 3"], species: Int[Array, " atoms"]) -> Float[Array, " atoms"]:
        x = (positions[:, self.axis] - self.minimum) * (self.intervals / (self.maximum - self.minimum))
        return cubic_spline(x, self.coefficients.astype(x.dtype), self.intervals)


class ExternalPolynomial(ExternalField):
    """u = Σ_k c_k (x − centre)^k along one axis: harmonic walls, double wells.

    Args:
        axis: 0, 1 or 2.
        centre: in Å.
        coefficients: c_0, c_1, … in eV/Å^k.

    Raises:
        PotentialError: for an axis or coefficients that make no sense.
        UnitError: for a centre of another dimension.

    Example:
        >>> import numpy as np
        >>> from mdfit.potentials import ExternalPolynomial, field_curve
        >>> wall = ExternalPolynomial(axis=2, centre="1 Å", coefficients=[0, 0, 0.5])
        >>> field_curve(wall, np.array([1.0, 2.0, 3.0]), axis=2).tolist()
        [0.0, 0.5, 2.0]
    """

    axis: int = eqx.field(static=True)
    centre: float = eqx.field(static=True)
    degree: int = eqx.field(static=True)
    coefficients: Float[Array, " coefficients"]

    def __init__(self, axis: int, centre: float | str, coefficients: Any):
        self.axis, self.centre = _axis(axis), quantity(centre, "Å", "centre")
        values = np.asarray(coefficients, np.float64)
        if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
            raise PotentialError("A polynomial needs a list of finite coefficients, from the constant upwards.")
        self.degree = values.size - 1
        self.coefficients = jnp.asarray(values, jnp.float64)

    @classmethod
    def skeleton(cls, settings: dict[str, Any]) -> ExternalPolynomial:
        return cls(settings["axis"], settings["centre"], np.zeros(settings["degree"] + 1))

    def field_energy(self, positions: Float[Array, "atoms 3"], species: Int[Array, " atoms"]) -> Float[Array, " atoms"]:
        x = positions[:, self.axis] - self.centre
        return jnp.polyval(self.coefficients[::-1].astype(x.dtype), x)


def _axis(axis: int) -> int:
    if axis not in (0, 1, 2):
        raise PotentialError(f"The axis of an external field is 0, 1 or 2, not {axis!r}.")
    return int(axis)
