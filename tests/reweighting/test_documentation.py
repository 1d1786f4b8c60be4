"""The examples of docs/reweighting.md run, and give what the text says."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reweighting.md"


def test_examples():
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    names = {"__name__": "__main__", "jax": jax}
    exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
    # <U> = kT/2 at 330 K.
    assert abs(names["value"] - 0.5 * 0.02844) < 4 * names["error"]
    # The last example wants functions of the reader: here u₁ = θ s with s = Σ x²/2, and u₀ = s.
    names["u1"] = lambda theta, samples: theta * samples
    names["change"] = lambda theta, samples: (theta - 1) * samples
    names["first_samples"] = jnp.asarray(2 * names["first"])
    names["second_samples"] = jnp.asarray(2 * names["second"])
    found, derivative = jax.value_and_grad(names["difference"])(1.5)
    assert float(found) == pytest.approx(float(names["result"].difference), abs=1e-12)
    # 15 ln θ has the derivative 10, with a relative error of about 1/sqrt(15 · 400).
    assert float(derivative) == pytest.approx(10.0, rel=0.06)
