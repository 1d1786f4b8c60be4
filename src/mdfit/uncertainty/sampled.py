"""A model and the noise scales of its data, which are sampled together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from mdfit.models import Model
from mdfit.models.files import build


class Sampled(Model):
    """A model with the logarithms of its noise scales, in units of their expected sizes.

    Attributes:
        model: that explains the data.
        log_noise: log(σ/σ₀) of each scale that is not known, by name.

    Example:
        >>> from mdfit.potentials import LennardJones
        >>> from mdfit.uncertainty import Sampled
        >>> sampled = Sampled.of(LennardJones(), {"forces": 0.1})
        >>> {name: round(float(value), 3) for name, value in sampled.noise({"forces": 0.1}).items()}
        {'forces': 0.1}
    """

    nested: ClassVar[str] = "model"
    model: Model
    log_noise: dict[str, Float[Array, ""]]

    @classmethod
    def of(cls, model: Model, expected: Mapping[str, float]) -> Sampled:
        """With scales of their expected sizes."""
        return cls(model, {name: jnp.zeros((), jnp.float64) for name in sorted(expected)})

    def noise(self, expected: Mapping[str, float]) -> dict[str, Float[Array, ""]]:
        """The scales σ = σ₀ exp(log_noise) by name."""
        return {name: expected[name] * jnp.exp(value) for name, value in self.log_noise.items()}

    def settings(self) -> dict[str, Any]:
        return {"noise": sorted(self.log_noise)}

    def describe(self) -> dict[str, Any]:
        return {"class": "Sampled", "settings": self.settings(), "model": self.model.describe()}

    @classmethod
    def build(cls, architecture: dict[str, Any], path: str | Path) -> Sampled:
        return cls.of(build(architecture["model"], path), dict.fromkeys(architecture["settings"]["noise"], 1.0))
