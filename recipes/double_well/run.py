"""Trains the double well, measures it against differentiation through the dynamics, and draws the results.

    python run.py [SEED]

Writes ``metrics.json``, ``trained.mdfit`` and two figures into ``results``.
"""

import json
import sys
from pathlib import Path

import numpy as np
from backpropagation import gradient_norms, seconds_per_gradient
from double_well import GRID, Scale, energy, exact_density, judge, sampled_density, start, train, truth

RESULTS = Path(__file__).parent / "results"
LENGTHS = (5, 10, 20, 40, 80, 160, 320)
VALIDATION_FRAMES = 2000


def main(seed: int) -> None:
    """All of it; a few minutes."""
    RESULTS.mkdir(exist_ok=True)
    scale = Scale()
    result = train(scale, seed, show_progress=True)
    result.last.save(RESULTS / "trained.mdfit")
    metrics = {"seed": seed, **judge(result, scale, seed, VALIDATION_FRAMES)}
    metrics["trajectories"] = int(sum(record["recomputed"] for record in result.history))
    gradients = seconds_per_gradient(result.last)
    norms = gradient_norms(result.last, LENGTHS)
    metrics |= {"speedup_over_backpropagation": gradients["speedup"], "gradients": gradients, "gradient_norms": norms}
    (RESULTS / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    draw_fields(result.last, seed, scale)
    draw_norms(norms)


def draw_fields(potential, seed: int, scale: Scale) -> None:
    """Densities and potentials before and after, and the truth."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, field, style in (("start", start(seed), ":"), ("trained", potential, "-")):
        left.plot(GRID, sampled_density(field, scale.particles, VALIDATION_FRAMES, seed), style, label=name)
        right.plot(GRID, _shifted(field), style, label=name)
    left.plot(GRID, exact_density(), "k--", label="exact")
    right.plot(GRID, _shifted(truth()), "k--", label="exact")
    left.set(xlabel="x (Å)", ylabel="density (1/Å)")
    right.set(xlabel="x (Å)", ylabel="potential (kT)", ylim=(-0.5, 6))
    left.legend()
    figure.savefig(RESULTS / "fields.png", dpi=150)


def draw_norms(norms: dict[str, list[float]]) -> None:
    """Norms of both gradients against the length of the trajectory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.loglog(norms["frames"], norms["through_simulation"], "o-", label="through the simulation")
    axes.loglog(norms["frames"], norms["reweighting"], "s-", label="reweighting")
    axes.set(xlabel="frames of the trajectory", ylabel="norm of the gradient")
    axes.legend()
    figure.savefig(RESULTS / "gradient_norms.png", dpi=150)


def _shifted(potential) -> np.ndarray:
    """With the mean zero where particles are."""
    values = energy(potential, GRID)
    return values - values[exact_density() > 0.3].mean()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
