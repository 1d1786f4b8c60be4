"""A pair potential as a cubic spline: tabulated, or with trainable coefficients."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from mdfit.errors import PotentialError
from mdfit.potentials.cubic_spline import cubic_spline
from mdfit.potentials.pair import PairPotential
from mdfit.units import quantity


class PairSpline(PairPotential):
    """φ(r) = Σ_m c_m B₃((r − r_min)/h − m + 1): uniform cubic B-splines, twice continuously differentiable.

    The last three coefficients are zero, so that value, slope and curvature vanish at the cutoff; below the first knot
    the potential goes on as a straight line.

    Args:
        minimum: first knot in Å.
        cutoff: last knot in Å.
        coefficients: ``(pairs, intervals)`` in eV, one row per pair of species in the order (0,0), (0,1), …, (1,1), …;
            one row when ``species`` is empty.  Zeros of shape ``(pairs, intervals)`` when an int is given.
        species: atomic numbers, or empty for one function between all atoms.

    Raises:
        PotentialError: for knots out of order, or coefficients that do not fit the species.

    Example:
        >>> import numpy as np
        >>> from mdfit.potentials import PairSpline, pair_curve
        >>> distances = np.linspace(2.0, 5.0, 61)
        >>> spline = PairSpline.from_table(distances, 0.1 * (5 - distances) ** 3, intervals=30)
        >>> pair_curve(spline, np.array([3.0, 4.0, 5.0])).round(3).tolist()
        [0.8, 0.1, 0.0]
    """

    species: tuple[int, ...] = eqx.field(static=True, converter=tuple)
    minimum: float = eqx.field(static=True)
    cutoff: float = eqx.field(static=True)
    intervals: int = eqx.field(static=True)
    coefficients: Float[Array, "pairs intervals"]

    def __init__(
        self,
        minimum: float | str,
        cutoff: float | str,
        intervals: int = 50,
        species: tuple[int, ...] = (),
        coefficients: ArrayLike | None = None,
    ):
        self.minimum, self.cutoff = quantity(minimum, "Å", "minimum"), quantity(cutoff, "Å", "cutoff")
        self.species, self.intervals = tuple(species), intervals
        kinds = max(len(self.species), 1)
        shape = (kinds * (kinds + 1) // 2, intervals)
        values = (
            np.zeros(shape) if coefficients is None else np.asarray(coefficients, np.float64).reshape(-1, intervals)
        )
        if not 0 <= self.minimum < self.cutoff or intervals < 4:
            raise PotentialError(
                f"A spline needs at least 4 intervals between 0 ≤ minimum < cutoff, not {intervals} between "
                f"{self.minimum} and {self.cutoff} Å."
            )
        if values.shape != shape:
            raise PotentialError(f"The spline of {kinds} species needs coefficients {shape}, not {values.shape}.")
        self.coefficients = jnp.asarray(values, jnp.float64)

    @classmethod
    def from_table(
        cls,
        distances: Float[ArrayLike, " points"],
        energies: Float[ArrayLike, " points"],
        cutoff: float | str | None = None,
        intervals: int = 200,
    ) -> PairSpline:
        """The spline closest to a table of distances (Å) and energies (eV), by least squares on a fine grid.

        The table is interpolated by a cubic spline; beyond its last distance the energy must be (close to) zero.

        Raises:
            PotentialError: for tables that are not increasing or do not reach the cutoff.
        """
        from scipy.interpolate import CubicSpline

        r, u = np.asarray(distances, np.float64), np.asarray(energies, np.float64)
        end = float(r[-1]) if cutoff is None else quantity(cutoff, "Å", "cutoff")
        if r.ndim != 1 or r.shape != u.shape or not (np.diff(r) > 0).all() or not np.isfinite(u).all():
            raise PotentialError("A table needs increasing distances and one finite energy for each of them.")
        if end > r[-1] + 1e-9:
            raise PotentialError(f"The table ends at {r[-1]} Å, before the cutoff of {end} Å; shorten the cutoff.")
        grid = np.linspace(r[0], end, 8 * intervals)
        basis = np.stack([_basis_column(grid, r[0], end, intervals, m) for m in range(intervals)], axis=1)
        coefficients, *_ = np.linalg.lstsq(basis, CubicSpline(r, u)(grid), rcond=None)
        return cls(float(r[0]), end, intervals, coefficients=coefficients[None])

    def pair_energy(
        self, squared_distance: Float[Array, "*pairs"], first: Int[Array, "*#pairs"], second: Int[Array, "*#pairs"]
    ) -> Float[Array, "*pairs"]:
        dtype = squared_distance.dtype
        distance = jnp.sqrt(squared_distance)
        step = (self.cutoff - self.minimum) / self.intervals
        x = (distance - self.minimum) / step
        # Three zeros at the end make the potential vanish smoothly.
        table = jnp.pad(self.coefficients.astype(dtype), ((0, 0), (0, 3)))
        row = self._pair_index(first, second) * table.shape[1]
        value = cubic_spline(x, table.ravel(), self.intervals, row)
        return jnp.where(distance < self.cutoff, value, jnp.zeros((), dtype))

    def _pair_index(self, first: Int[Array, "*#pairs"], second: Int[Array, "*#pairs"]) -> Int[Array, "*#pairs"]:
        if len(self.species) < 2:
            return jnp.zeros((), jnp.int32)
        kinds = len(self.species)
        table = np.zeros((max(self.species) + 1,) * 2, np.int32)
        for i, a in enumerate(self.species):
            for j, b in enumerate(self.species):
                low, high = min(i, j), max(i, j)
                table[a, b] = low * kinds - low * (low - 1) // 2 + high - low
        return jnp.asarray(table)[first, second]


def _basis_column(grid: np.ndarray, minimum: float, cutoff: float, intervals: int, index: int) -> np.ndarray:
    """The cubic B-spline number ``index`` at the points of ``grid``."""
    from scipy.interpolate import BSpline

    step = (cutoff - minimum) / intervals
    knots = minimum + step * np.arange(index - 3, index + 2)
    return np.nan_to_num(BSpline.basis_element(knots, extrapolate=False)(grid))
