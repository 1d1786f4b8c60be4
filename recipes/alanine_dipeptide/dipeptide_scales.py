"""The sizes of each scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mdfit.recipes.methods import Descent, Entropy, Matching
from mdfit.recipes.request import Sampling
from mdfit.simulate import Langevin, Sampler

#: Of the reference and of all models, in K.
TEMPERATURE = 300.0


@dataclass(frozen=True)
class Scale:
    """All sizes.

    The reference is in ``"implicit"`` water or ``"tip3p"``.  The network, a PaiNN, has ``network`` features per bead,
    interaction blocks and functions of the distance.  ``entropy`` starts from the bare prior, ``evaluation`` is that of
    each of the chains that judge a model.
    """

    water: str
    timestep: str
    reference: Sampling
    network: tuple[int, int, int]
    cutoff: float
    sampler: Sampler
    matching: Matching
    entropy: Entropy
    entropy_after: Entropy
    evaluation: Sampling
    chains: int


#: Steps that keep a quarter of the effective frames.
_ENTROPY = Entropy(
    Descent(50, (3e-3, 3e-5)),
    Sampling("8 ps", "2 ps", "0.2 ps"),
    batch=6000,
    chains=64,
    start="weights",
    step_ratio=0.25,
)
_AFTER = replace(
    _ENTROPY, descent=Descent(50, (1e-3, 1e-5)), sampling=Sampling("10 ps", "2 ps", "0.2 ps"), start="last"
)
CPU = Scale(
    water="implicit",
    timestep="4 fs",
    reference=Sampling("60 ns", "50 ps", "0.5 ps"),
    network=(32, 2, 8),
    cutoff=6.0,
    sampler=Langevin(4.0, 5.0),
    matching=Matching(16_000, batch=200, rate=2e-3),
    entropy=_ENTROPY,
    entropy_after=_AFTER,
    evaluation=Sampling("200 ps", "40 ps", "0.5 ps"),
    chains=64,
)
_SHORT = replace(
    _ENTROPY, descent=Descent(2, (1e-3, 1e-5)), sampling=Sampling("0.4 ps", 0, "0.04 ps"), batch=20, chains=8
)
DEMO = replace(
    CPU,
    reference=Sampling("20 ps", "4 ps", "0.1 ps"),
    network=(8, 1, 6),
    matching=Matching(10, batch=20, rate=1e-3),
    entropy=_SHORT,
    entropy_after=replace(_SHORT, start="last"),
    evaluation=Sampling("2 ps", "0.4 ps", "0.1 ps"),
    chains=8,
)
_LONG = replace(
    _ENTROPY, descent=Descent(300, (3e-3, 3e-5)), sampling=Sampling("100 ps", "10 ps", "0.5 ps"), batch=None, chains=100
)
#: The settings of the published program, with PaiNN in place of DimeNet++.
PAPER = Scale(
    water="tip3p",
    timestep="2 fs",
    reference=Sampling("100 ns", "1 ns", "0.2 ps"),
    network=(64, 3, 12),
    cutoff=5.0,
    sampler=Langevin(2.0, 100.0),
    matching=Matching(80_000, batch=500, rate=3e-4),
    entropy=_LONG,
    entropy_after=replace(_LONG, descent=Descent(50, (5e-4, 5e-6)), start="last"),
    evaluation=Sampling("2 ns", "100 ps", "0.2 ps"),
    chains=100,
)
#: Of each model of the curves; lengths are multiples of all time steps.
_OF_CURVES = replace(CPU, matching=Matching(2000, batch=200, rate=2e-3))
DATA_SWEEP = replace(
    _OF_CURVES,
    entropy_after=replace(_AFTER, descent=Descent(30, (1e-3, 1e-5))),
    evaluation=Sampling("150 ps", "30 ps", "0.5 ps"),
)
#: Frames of the reference, evenly spread over it.
NUMBERS_OF_FRAMES = (300, 2000, 15_000, 120_000)
TIMESTEP_SWEEP = replace(
    _OF_CURVES,
    entropy_after=replace(_AFTER, descent=Descent(20, (1e-3, 1e-5)), sampling=Sampling("3.6 ps", "1.2 ps", "0.24 ps")),
    evaluation=Sampling("48 ps", "12 ps", "0.48 ps"),
)
#: In fs.
TIMESTEPS = (2.0, 3.0, 4.0, 5.0, 6.0)
SIZES = {"cpu": CPU, "demo": DEMO, "paper": PAPER, "data_sweep": DATA_SWEEP, "timestep_sweep": TIMESTEP_SWEEP}
