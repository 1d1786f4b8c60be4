"""One step of a chain, by the gradient of the log-density on a batch.

A kernel moves one chain; chains are mapped.  All but the preconditioned one are BlackJAX's (extra ``uncertainty``).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.errors import TrainingError


class Target(NamedTuple):
    """The log-density on one batch, and its gradient, of the parameters of a chain.

    Example:
        >>> from mdfit.uncertainty import Target
        >>> normal = Target(log_density=lambda x: -0.5 * x**2, gradient=lambda x: -x)
        >>> normal.log_density(2.0), normal.gradient(2.0)
        (-2.0, -2.0)
    """

    log_density: Callable[[Any], Float[Array, ""]]
    gradient: Callable[[Any], Any]


class Kernel(eqx.Module):
    """How a chain moves.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import Kernel, Target
        >>> class Uphill(Kernel):
        ...     def move(self, key, position, memory, target, size, temperature):
        ...         return position + size * target.gradient(position), memory
        >>> Uphill().move(jax.random.key(0), 2.0, (), Target(lambda x: -0.5 * x**2, lambda x: -x), 0.5, 1.0)
        (1.0, ())
    """

    def start(self, key: jax.Array, position: Any) -> Any:
        """What the kernel remembers from step to step."""
        return ()

    @abstractmethod
    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        """The next position and memory; exp(log-density/temperature) is sampled."""

    def log_weight(self, memory: Any) -> Float[Array, ""]:
        """Of the present position, where positions do not all weigh the same."""
        return jnp.zeros((), jnp.float64)


class SGLD(Kernel):
    """θ ← θ + ε ∇log p + √(2 ε T) ξ.

    M. Welling, Y. W. Teh, ICML 2011, 681.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import SGLD, Target
        >>> target, kernel = Target(lambda x: -0.5 * x @ x, lambda x: -x), SGLD()
        >>> start = jax.numpy.ones(2)
        >>> position, _ = kernel.move(jax.random.key(0), start, kernel.start(jax.random.key(1), start), target, 0.1, 1.0)
        >>> position.shape
        (2,)
    """

    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        kernel = require_blackjax().sgld.build_kernel()
        return kernel(key, position, lambda where, _: target.gradient(where), None, size, temperature), memory


class PSGLD(Kernel):
    """SGLD with the step of each parameter in units of 1/(λ + √v), v being a running mean of its squared gradient.

    v ← α v + (1 − α) g², G = 1/(λ + √v), θ ← θ + ε G g + √(2 ε T G) ξ.  The term ∂G/∂θ is left out, so that variances
    come out somewhat too large.  C. Li, C. Chen, D. Carlson, L. Carin, AAAI 2016, 1788, arXiv:1512.07666.

    Attributes:
        decay: α.
        regularisation: λ.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import PSGLD, Target
        >>> target, kernel = Target(lambda x: -0.5 * x @ x, lambda x: -x), PSGLD(decay=0.9)
        >>> start = jax.numpy.ones(2)
        >>> position, _ = kernel.move(jax.random.key(0), start, kernel.start(jax.random.key(1), start), target, 0.1, 1.0)
        >>> position.shape
        (2,)
    """

    decay: float = 0.99
    regularisation: float = 1e-5

    def start(self, key: jax.Array, position: Any) -> Any:
        return jax.tree.map(jnp.ones_like, position)

    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        gradient = target.gradient(position)
        memory = jax.tree.map(lambda v, g: self.decay * v + (1 - self.decay) * g * g, memory, gradient)
        noise = _normal_like(key, position)

        def moved(where: Array, slope: Array, squares: Array, random: Array) -> Array:
            scale = 1 / (self.regularisation + jnp.sqrt(squares))
            step = size * scale * slope + jnp.sqrt(2 * size * temperature * scale) * random
            return where + step.astype(where.dtype)

        return jax.tree.map(moved, position, gradient, memory, noise), memory


class SGHMC(Kernel):
    """Hamiltonian dynamics with friction, with new momenta for each step of ``leaps`` short ones.

    T. Chen, E. Fox, C. Guestrin, ICML 2014, 1683, arXiv:1402.4102.

    Attributes:
        leaps: short steps of size ε.
        friction: α, per unit of time.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import SGHMC, Target
        >>> target, kernel = Target(lambda x: -0.5 * x @ x, lambda x: -x), SGHMC(leaps=5)
        >>> start = jax.numpy.ones(2)
        >>> position, _ = kernel.move(jax.random.key(0), start, kernel.start(jax.random.key(1), start), target, 0.1, 1.0)
        >>> position.shape
        (2,)
    """

    leaps: int = 10
    friction: float = 0.1

    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        kernel = require_blackjax().sghmc.build_kernel(self.friction, 0)
        # BlackJAX draws momenta at temperature 1; at another one the density is tempered, and time scaled, instead.
        root = math.sqrt(temperature)

        def gradient(where: Any, _: Any) -> Any:
            return jax.tree.map(lambda g: g / temperature, target.gradient(where))

        return kernel(key, position, gradient, None, size * root, self.leaps), memory


class SGNHT(Kernel):
    """Hamiltonian dynamics whose friction adapts to the noise of the gradient (a Nosé–Hoover thermostat).

    N. Ding et al., NeurIPS 2014, 3203.

    Attributes:
        friction: α, to begin with.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import SGNHT, Target
        >>> target, kernel = Target(lambda x: -0.5 * x @ x, lambda x: -x), SGNHT()
        >>> start = jax.numpy.ones(2)
        >>> position, _ = kernel.move(jax.random.key(0), start, kernel.start(jax.random.key(1), start), target, 0.1, 1.0)
        >>> position.shape
        (2,)
    """

    friction: float = 0.1

    def start(self, key: jax.Array, position: Any) -> Any:
        return _normal_like(key, position), jnp.asarray(self.friction, jnp.float32)

    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        from blackjax.sgmcmc.sgnht import SGNHTState

        kernel = require_blackjax().sgnht.build_kernel(self.friction, 0)
        state = SGNHTState(position, *memory)
        new = kernel(key, state, lambda where, _: target.gradient(where), None, size, temperature)
        return new.position, (new.momentum, new.xi.astype(jnp.float32))


class ContourSGLD(Kernel):
    """SGLD on a density whose minima are made shallower while it runs; its samples carry weights.

    On a density that has one minimum it only costs samples.

    W. Deng, G. Lin, F. Liang, NeurIPS 2020, arXiv:2010.09800.

    Attributes:
        lowest: −log-density that is never reached.
        gap: width of the bins of −log-density.
        bins: how many.
        flatness: ζ; 0 is SGLD.
        learning_rate: of the histogram.

    Example:
        >>> import jax
        >>> from mdfit.uncertainty import ContourSGLD, Target
        >>> target, kernel = Target(lambda x: -0.5 * x @ x, lambda x: -x), ContourSGLD(lowest=-1.0, gap=0.1)
        >>> start = jax.numpy.ones(2)
        >>> position, _ = kernel.move(jax.random.key(0), start, kernel.start(jax.random.key(1), start), target, 0.1, 1.0)
        >>> position.shape
        (2,)
    """

    lowest: float
    gap: float
    bins: int = 100
    flatness: float = 0.75
    learning_rate: float = 1e-3

    def start(self, key: jax.Array, position: Any) -> Any:
        from blackjax.sgmcmc.csgld import init

        _, histogram, index = init(position, self.bins)
        return jnp.asarray(histogram, jnp.float64), jnp.asarray(index, jnp.int32), jnp.ones((), jnp.float64)

    def move(
        self, key: jax.Array, position: Any, memory: Any, target: Target, size: Float[Array, ""], temperature: float
    ) -> tuple[Any, Any]:
        from blackjax.sgmcmc.csgld import ContourSGLDState

        kernel = require_blackjax().csgld.build_kernel(self.bins, self.gap, self.lowest)
        new = kernel(
            key,
            ContourSGLDState(position, *memory[:2]),
            lambda where, _: target.log_density(where),
            lambda where, _: target.gradient(where),
            None,
            size,
            self.learning_rate,
            self.flatness,
            temperature,
        )
        energy = -target.log_density(new.position)
        part = jnp.clip((energy - self.lowest) / self.gap + 1 - new.energy_idx, 0.0, 1.0)
        return new.position, (new.energy_pdf, new.energy_idx, part.astype(jnp.float64))

    def log_weight(self, memory: Any) -> Float[Array, ""]:
        # Within a bin the slope of the flattened density is that between its histogram and the one below.
        histogram, index, part = memory
        return self.flatness * (part * jnp.log(histogram[index]) + (1 - part) * jnp.log(histogram[index - 1]))


def _normal_like(key: jax.Array, tree: Any) -> Any:
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, max(len(leaves), 1))
    drawn = [jax.random.normal(one, leaf.shape, leaf.dtype) for one, leaf in zip(keys, leaves, strict=False)]
    return jax.tree.unflatten(structure, drawn)


def require_blackjax() -> Any:
    """The package, whose kernels these are.

    Raises:
        TrainingError: when it is not installed.
    """
    try:
        import blackjax
    except ImportError as error:
        raise TrainingError(
            "This sampler needs BlackJAX: install it by pip install 'mdfit[uncertainty]', or take PSGLD."
        ) from error
    return blackjax
