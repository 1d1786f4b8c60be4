"""The command line with a set of potentials: evaluate and simulate tell how sure it is."""

import jax
import numpy as np
import pytest
from ase.io import read
from commands import fails, mdfit

from mdfit.data import Frames
from mdfit.potentials import KnownSpread, PotentialSet, StillingerWeber


@pytest.fixture
def members(silicon):
    """A set in the directory of the test, beside the fixture's data and potential."""
    return PotentialSet.of(
        [
            jax.tree.map(lambda leaf, k=k: (1 + 0.01 * k) * leaf, StillingerWeber.silicon())
            for k in (-1.5, -0.5, 0.5, 1.5)
        ]
    )


def test_evaluate_tells_how_well_spreads_predict_errors(data, members):
    members.save("set.mdfit")
    result = mdfit("evaluate", "set.mdfit", "good.extxyz")
    assert result.exit_code == 0, result.output
    lines = dict(line.split(None, 1) for line in result.stdout.splitlines() if line.startswith("good/"))
    assert float(lines["good/force_spread"].split()[0]) > 0
    assert float(lines["good/force_z_score_deviation"]) > 0
    assert -1 <= float(lines["good/force_spearman"]) <= 1
    # Too few energies to tell how they are distributed, but their spread is known.
    assert "good/energy_spread" in lines
    assert "good/energy_spearman" not in lines
    single = mdfit("evaluate", "sw.mdfit", "good.extxyz")
    assert "spread" not in single.stdout


def test_simulate_records_spreads_and_stops_where_asked(data, members):
    members.knowing(KnownSpread(1e-6, 1e-6)).save("set.mdfit")
    settings = ["set.mdfit", "good.extxyz", "--temperature", "300 K", "--duration", "20 fs", "--every", "2 fs"]
    result = mdfit("simulate", *settings, "--out", "run.h5")
    assert result.exit_code == 0, result.output
    assert "spread of the forces: " in result.stdout
    assert len(Frames.read("run.h5")) == 10
    stopped = mdfit("simulate", *settings, "--out", "stopped.xyz", "--when-unsure", "stop")
    assert stopped.exit_code == 1
    message = stopped.stderr
    assert "has left what the data know" in message
    first = read("stopped.xyz")
    assert np.isfinite(first.info["force_spread"])
    assert "does not know its spread" in fails(
        "simulate", "sw.mdfit", *settings[1:], "--out", "single.h5", "--when-unsure", "stop"
    )
