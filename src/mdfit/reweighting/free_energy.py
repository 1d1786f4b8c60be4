"""Free-energy differences between two ensembles from samples of one or of both.

All energies are reduced, u = (U + p V) / (k_B T) (see :func:`mdfit.reweighting.reduced_energy`), and so are the
differences, Δf = F₁/(k_B T₁) − F₀/(k_B T₀) = −ln ∫ exp(−u₁) / ∫ exp(−u₀).  Ensemble 0 is called the first, 1 the second.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from mdfit.errors import ReweightingError
from mdfit.observables.statistics import FEWEST_SAMPLES
from mdfit.precision import DOUBLE
from mdfit.reweighting.effective_size import effective_size, kish_effective_size
from mdfit.reweighting.root import increasing_root
from mdfit.reweighting.weights import log_weights as normalised_log_weights

#: Below this the asymptotic error is too small (Klimovich et al., see :func:`bennett`).
SMALLEST_OVERLAP = 0.06


class FreeEnergyDifference(eqx.Module):
    """A reduced free-energy difference with its error; times k_B T it is in eV.

    Attributes:
        difference: Δf, without unit.
        variances: what the samples of the first and those of the second ensemble contribute to the squared error.
        overlap: 1 for identical ensembles, 0 for ensembles that have no configurations in common.
        effective_samples: independent samples of equal weight that the difference rests on, of the ensemble that has
            fewer; infinite where it is not known.

    Example:
        >>> import numpy as np
        >>> from mdfit.reweighting import exponential_average
        >>> found = exponential_average(1 + 0.1 * np.sin(np.arange(100) ** 2))
        >>> round(float(found.difference), 3), round(float(found.standard_error), 3), found.warnings
        (0.999, 0.007, ())
    """

    difference: Float[Array, ""]
    variances: Float[Array, "2"]
    overlap: Float[Array, ""]
    effective_samples: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.asarray(jnp.inf, DOUBLE))

    @classmethod
    def zero(cls) -> "FreeEnergyDifference":
        """That between an ensemble and itself, without error."""
        nothing = jnp.zeros((), DOUBLE)
        return cls(nothing, jnp.zeros(2, DOUBLE), jnp.ones((), DOUBLE), jnp.asarray(jnp.inf, DOUBLE))

    @property
    def standard_error(self) -> Float[Array, ""]:
        """Of ``difference``; infinite when an ensemble has less than one effective sample.

        The root of the sum of the variances, which are asymptotic, times (1 + 1/n) with n effective samples: about
        Student's factor for the interval that holds 68 %.
        """
        return jnp.sqrt(jnp.sum(self.variances)) * (1 + 1 / jnp.maximum(self.effective_samples, 1.0))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the error may be too small, in words; on the host, empty when all is well."""
        found: tuple[str, ...] = ()
        if float(self.overlap) < SMALLEST_OVERLAP:
            found += (
                f"the ensembles overlap by {float(self.overlap):.2g} only, less than {SMALLEST_OVERLAP}: difference and "
                "error are rough; put ensembles in between",
            )
        if float(self.effective_samples) < FEWEST_SAMPLES:
            found += (
                f"the difference rests on about {float(self.effective_samples):.2g} independent samples of equal weight, "
                f"fewer than {FEWEST_SAMPLES:.0f}: difference and error are rough; take more samples, or put ensembles in "
                "between",
            )
        return found


def exponential_average(
    change: Float[ArrayLike, " samples"],
    *,
    log_weights: Float[ArrayLike, " samples"] | None = None,
    statistical_inefficiency: ArrayLike = 1.0,
    reverse: bool = False,
) -> FreeEnergyDifference:
    """Free-energy perturbation: Δf = −ln <exp(−Δu)>₀, or in reverse Δf = ln <exp(Δu)>₁.

    Differentiable; at fixed samples of the first ensemble the derivative of Δf with respect to parameters of u₁ is
    <∂u₁/∂θ>₁, by reweighting.  ``overlap`` is N_eff/N of the weights.  R. W. Zwanzig, J. Chem. Phys. 22, 1420 (1954),
    doi:10.1063/1.1740409.

    Args:
        change: Δu = u₁(x) − u₀(x) of samples of the first ensemble, or in reverse of samples of the second one.
        log_weights: of the samples, normalised, when they come from another ensemble.
        statistical_inefficiency: how many successive samples are worth one.
        reverse: whether the samples are of the second ensemble.

    Raises:
        ReweightingError: ``change`` is not a list of numbers, or empty.
    """
    samples = _ensemble("second" if reverse else "first", change, log_weights, statistical_inefficiency)
    shares, exponent = samples.log_weights, samples.change if reverse else -samples.change
    logarithm = jax.nn.logsumexp(shares + exponent)
    constant = jax.lax.stop_gradient(samples)
    weights = jax.lax.stop_gradient(normalised_log_weights(-exponent - shares))
    relative = jnp.exp(jax.lax.stop_gradient(exponent - logarithm)) - 1
    variance = _over_degrees_of_freedom(_mean_square(constant, relative), constant.number)
    reliable = _reliable_number(weights, constant, reverse) / jnp.asarray(statistical_inefficiency, DOUBLE)
    zero = jnp.zeros_like(variance)
    return FreeEnergyDifference(
        difference=logarithm if reverse else -logarithm,
        variances=jnp.stack([zero, variance] if reverse else [variance, zero]),
        overlap=jnp.minimum(effective_size(weights) / effective_size(constant.log_weights), 1.0),
        effective_samples=reliable,
    )


def _reliable_number(weights: Array, samples: "_Ensemble", reverse: bool) -> Array:
    """Kish's number of samples, or the one expected of normal changes, n exp(−var), when that is smaller.

    The variance is that of the side of large weights, from the bulk of the samples: Kish's number is too large when the
    largest weights have not been sampled.
    """
    exponent = samples.change if reverse else -samples.change
    known = jnp.where(jnp.isfinite(exponent), exponent, jnp.nan)
    gains = jnp.nan_to_num(jnp.maximum(known - jnp.nanmedian(known), 0))
    expected = kish_effective_size(samples.log_weights) * jnp.exp(-2 * jnp.exp(samples.log_weights) @ gains**2)
    return jnp.minimum(kish_effective_size(weights), expected)


def bennett(
    first: Float[ArrayLike, " first_samples"],
    second: Float[ArrayLike, " second_samples"],
    *,
    first_log_weights: Float[Array, " first_samples"] | None = None,
    second_log_weights: Float[Array, " second_samples"] | None = None,
    first_inefficiency: ArrayLike = 1.0,
    second_inefficiency: ArrayLike = 1.0,
) -> FreeEnergyDifference:
    """Free-energy difference by Bennett's acceptance ratio, from samples of both ensembles.

    Δf solves n₀ <1/(1 + e^x)>₀ = n₁ <1/(1 + e^−x)>₁ with x = Δu − Δf + ln(n₀/n₁) and n the effective numbers of samples.
    It is the estimate with the least variance.  The error is the asymptotic one; with an overlap below 0.06 (0.03 in the
    overlap matrix of equal numbers of samples) it is too small, and intermediate ensembles are needed.
    C. H. Bennett, J. Comput. Phys. 22, 245 (1976), doi:10.1016/0021-9991(76)90078-4, eqs. 10 and 12; overlap:
    P. V. Klimovich, M. R. Shirts, D. L. Mobley, J. Comput.-Aided Mol. Des. 29, 397 (2015), doi:10.1007/s10822-015-9840-9.

    Differentiable, by the implicit function theorem.  Parameters of u₁ change the second ensemble, too: only with
    ``second_log_weights=log_weights(u₁(θ) − stop_gradient(u₁(θ)))`` (all equal in value, but not in derivative) is the
    derivative of Δf that of the free energy, <∂u₁/∂θ>₁; without, it is that of the formula at fixed samples.

    Args:
        first: Δu = u₁(x) − u₀(x) of samples of the first ensemble.
        second: u₁(x) − u₀(x), with the same sign, of samples of the second ensemble.
        first_log_weights: of the samples, normalised, when they come from another ensemble.
        second_log_weights: the same for the second ensemble.
        first_inefficiency: how many successive samples of the first ensemble are worth one.
        second_inefficiency: the same for the second ensemble.

    Raises:
        ReweightingError: the changes are not lists of numbers, or a weight is missing.
    """
    return _bennett(
        _ensemble("first", first, first_log_weights, first_inefficiency),
        _ensemble("second", second, second_log_weights, second_inefficiency),
    )


class _Ensemble(eqx.Module):
    """Changes of the energy, log weights and effective number of samples."""

    change: Float[Array, " samples"]
    log_weights: Float[Array, " samples"]
    number: Float[Array, ""]


@jax.jit
def _bennett(first: _Ensemble, second: _Ensemble) -> FreeEnergyDifference:
    shift = jnp.log(first.number / second.number)

    def imbalance(difference: Float[Array, ""]) -> Float[Array, ""]:
        """Logarithm of left over right side of the equation: increases with the difference."""
        left = first.log_weights + jax.nn.log_sigmoid(difference - shift - first.change)
        right = second.log_weights + jax.nn.log_sigmoid(second.change + shift - difference)
        return jax.nn.logsumexp(left) - jax.nn.logsumexp(right) + shift

    # There the arguments of all Fermi functions have one sign, and the sides differ by more than their numbers.
    margin = jnp.abs(shift) + jnp.log(2.0)
    lowest, highest = _range(first.change, second.change)
    difference = increasing_root(imbalance, lowest + shift - margin, highest + shift + margin)
    constant_first, constant_second, constant_difference = jax.lax.stop_gradient((first, second, difference))
    offset = shift - constant_difference
    variance_of_first, common_in_first = _quality(constant_first, constant_first.change + offset)
    variance_of_second, common_in_second = _quality(constant_second, -constant_second.change - offset)
    return FreeEnergyDifference(
        difference=difference,
        variances=jnp.stack([variance_of_first, variance_of_second]),
        overlap=(common_in_first + common_in_second) * (1 / first.number + 1 / second.number),
        effective_samples=jnp.minimum(first.number, second.number),
    )


def _ensemble(
    name: str,
    change: Float[ArrayLike, " samples"],
    log_weights: Float[ArrayLike, " samples"] | None,
    inefficiency: ArrayLike,
) -> _Ensemble:
    """Checks that the arrays belong together."""
    change = jnp.asarray(change, DOUBLE)
    if change.ndim != 1 or change.size == 0:
        raise ReweightingError(
            f"The samples of the {name} ensemble need one change of the reduced energy each, but the array has the "
            f"shape {change.shape}; join replicas with reshape(-1)."
        )
    weights = jnp.full(change.shape, -jnp.log(change.size)) if log_weights is None else jnp.asarray(log_weights)
    if weights.shape != change.shape:
        raise ReweightingError(
            f"The {name} ensemble has {change.size} samples, but weights of shape {weights.shape}; give one for each."
        )
    # Any numbers give a consistent estimate: they are no part of the derivative.
    number = jax.lax.stop_gradient(kish_effective_size(weights)) / jnp.asarray(inefficiency, DOUBLE)
    return _Ensemble(change, jnp.asarray(weights, DOUBLE), number)


def _range(*changes: Array) -> tuple[Array, Array]:
    """Smallest and largest of the changes that are finite."""
    joined = jax.lax.stop_gradient(jnp.concatenate(changes))
    finite = jnp.isfinite(joined)
    return jnp.min(jnp.where(finite, joined, jnp.inf)), jnp.max(jnp.where(finite, joined, -jnp.inf))


def _quality(ensemble: _Ensemble, argument: Array) -> tuple[Array, Array]:
    """Variance of the logarithm of <1/(1 + e^x)> with its arguments x, and the ensemble's share of the overlap."""
    weights = jnp.exp(ensemble.log_weights)
    fermi = jax.nn.log_sigmoid(-argument)
    relative = jnp.exp(fermi - jax.nn.logsumexp(ensemble.log_weights + fermi)) - 1
    mean_square = _mean_square(ensemble, relative)
    common = ensemble.number * jnp.sum(weights * jnp.exp(fermi + jax.nn.log_sigmoid(argument)))
    return _over_degrees_of_freedom(mean_square, ensemble.number), common


def _mean_square(ensemble: _Ensemble, relative: Array) -> Array:
    """Of relative deviations; Kish's number has Σ w² = 1/n, so that equal weights give the mean."""
    squares = jnp.exp(2 * ensemble.log_weights)
    return jnp.sum(squares * relative**2) / jnp.sum(squares)


def _over_degrees_of_freedom(mean_square: Array, effective: Array) -> Array:
    """Variance of a mean from the mean square deviation of its samples."""
    return jnp.where(effective > 1, mean_square / jnp.where(effective > 1, effective - 1, 1.0), jnp.inf)
