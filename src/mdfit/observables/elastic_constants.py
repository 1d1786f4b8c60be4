"""Isothermal elastic constants from fluctuations of the stress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mdfit.errors import ObservableError
from mdfit.observables.base import Observable, require_periodic, require_stiffness
from mdfit.observables.snapshot import Snapshot
from mdfit.potentials import lagrangian_stiffness
from mdfit.potentials.evaluation import VOIGT
from mdfit.simulate import Trajectory
from mdfit.units import BOLTZMANN, GIGAPASCAL

#: The 21 independent elements C_IJ, I ≤ J.
_ROWS, _COLUMNS = np.triu_indices(6)
_NAMES = tuple(f"C{row + 1}{column + 1}" for row, column in zip(_ROWS, _COLUMNS, strict=True))
#: The elements that cubic symmetry makes equal.
_CUBIC = {"C11": ("C11", "C22", "C33"), "C12": ("C12", "C13", "C23"), "C44": ("C44", "C55", "C66")}


@dataclass(frozen=True)
class ElasticConstants(Observable):
    """Isothermal elastic constants at a fixed cell (NVT), in GPa.

    With the stress σᴮ = (1/V) ∂U/∂ε and the stiffness Cᴮ = (1/V) ∂²U/∂ε∂ε of the potential energy, for r → (1 + ε) r,

        C_ijkl = <Cᴮ_ijkl − σᴮ_jl δ_ik> − V/(k_B T) cov(σᴮ_ij, σᴮ_kl) + N k_B T/V (δ_il δ_jk + δ_ik δ_jl),

    the second derivatives of the free energy with respect to the Lagrangian strain, which have all symmetries of elastic
    constants under any stress.  Stress–strain coefficients differ from them by terms in the stress.  D. R. Squire,
    A. C. Holt, W. G. Hoover, Physica 42, 388 (1969), doi:10.1016/0031-8914(69)90031-7.

    The temperature is that of the thermostat.  The centre of mass counts as one of N atoms.

    Args:
        symmetry: ``"cubic"`` averages the equivalent elements to C11, C12, C44, for crystals whose axes lie along those
            of Cartesian space; ``"none"`` gives the 21 elements C_IJ, I ≤ J, in the order C11, C12 … C16, C22 … C66.
        definition: ``"consistent"`` is the equation above; ``"published"`` leaves out −σᴮ_jl δ_ik, as S. Thaler,
            J. Zavadlav, Nat. Commun. 12, 6884 (2021), doi:10.1038/s41467-021-27241-4, for comparison with their figures:
            it mixes two kinds of strain, which at zero stress makes C11 larger by N k_B T/V and C44 by half of that.

    Raises:
        ObservableError: for another symmetry or definition.

    Example:
        >>> from mdfit.observables import ElasticConstants
        >>> ElasticConstants().labels, ElasticConstants().unit
        (('C11', 'C12', 'C44'), 'GPa')
        >>> len(ElasticConstants(symmetry="none").labels)
        21
    """

    symmetry: Literal["cubic", "none"] = "cubic"
    definition: Literal["consistent", "published"] = "consistent"

    unit = "GPa"
    ensembles = ("NVT",)
    needs_stiffness = True

    def __post_init__(self) -> None:
        if self.symmetry not in ("cubic", "none"):
            raise ObservableError(f"symmetry is 'cubic' or 'none', not {self.symmetry!r}.")
        if self.definition not in ("consistent", "published"):
            raise ObservableError(f"definition is 'consistent' or 'published', not {self.definition!r}.")

    @property
    def labels(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(_CUBIC) if self.symmetry == "cubic" else _NAMES

    def check(self, trajectory: Trajectory) -> None:
        if trajectory.frozen is not None:
            raise ObservableError(
                "Elastic constants from fluctuations of the stress have no meaning with frozen atoms; free them."
            )
        super().check(trajectory)
        require_periodic(self.name, trajectory)

    def per_snapshot(self, snapshot: Snapshot) -> Float[Array, "49"]:
        """49 numbers in powers of GPa: 21 of Born and kinetic terms, 6 of σᴮ, 21 of (V/kT) σᴮ σᴮ, and V/kT."""
        stiffness, stress = require_stiffness(self.name, snapshot), snapshot.stress
        thermal = BOLTZMANN * snapshot.temperature
        born = stiffness if self.definition == "published" else lagrangian_stiffness(stiffness, stress)
        unity = jnp.eye(3, dtype=stress.dtype)
        kinetic = jnp.einsum("il,jk->ijkl", unity, unity) + jnp.einsum("ik,jl->ijkl", unity, unity)
        local = _elements(born + snapshot.number_of_atoms * thermal / snapshot.volume * kinetic) / GIGAPASCAL
        components = stress[VOIGT] / GIGAPASCAL
        compliance = GIGAPASCAL * snapshot.volume / thermal
        products = compliance * components[_ROWS] * components[_COLUMNS]
        return jnp.concatenate([local, components, products, compliance[None]])

    def combine(self, averages: Float[Array, "49"]) -> Float[Array, " elements"]:
        local, components, products, compliance = jnp.split(averages, [21, 27, 48])
        fluctuation = products - compliance * components[_ROWS] * components[_COLUMNS]
        elements = local - fluctuation
        if self.symmetry == "none":
            return elements
        return jnp.stack([jnp.mean(elements[_places(equal)]) for equal in _CUBIC.values()])


def _elements(tensor: Float[Array, "3 3 3 3"]) -> Float[Array, "21"]:
    """The 21 Voigt elements of a tensor of rank four, averaged over i ↔ j and k ↔ l."""
    tensor = (tensor + jnp.swapaxes(tensor, 0, 1)) / 2
    tensor = (tensor + jnp.swapaxes(tensor, 2, 3)) / 2
    matrix = tensor[VOIGT][(slice(None), *VOIGT)]
    return ((matrix + matrix.T) / 2)[_ROWS, _COLUMNS]


def _places(names: tuple[str, ...]) -> np.ndarray:
    return np.array([_NAMES.index(name) for name in names])
