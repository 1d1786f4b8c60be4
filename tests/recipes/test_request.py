"""Stages of recipes in Python, and the artefacts that they leave."""

import json

import numpy as np
import pytest
from ase.build import bulk

from mdfit.data import Frames
from mdfit.errors import CheckpointError, SimulationError
from mdfit.observables import RDF, BlockAverages
from mdfit.potentials import LennardJones, load
from mdfit.recipes import Metric, Plot, Request, Sampling, Series, metric_series
from mdfit.recipes.arrays import save_arrays
from mdfit.recipes.figures import read_figure
from mdfit.report import write_report
from mdfit.simulate import Langevin, StatePoint
from mdfit.structure import Structure

ARGON = LennardJones(0.0104, 3.4, 7.0)


@pytest.fixture
def request_(tmp_path):
    return Request("small", 3, tmp_path, show_progress=False)


@pytest.fixture
def at():
    return StatePoint(Structure.from_ase(bulk("Ar", a=5.4, cubic=True).repeat(3)), "60 K")


def test_random_numbers_follow_from_the_names_of_stages(request_):
    other = Request("small", 4, request_.out)
    seeds = [request_.seed_of("one"), request_.seed_of("two"), other.seed_of("one")]
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**31 for seed in seeds)
    # By sha256sum, on every machine the same.
    assert Request("any", 0, request_.out).seed_of("one") == 1824001075


def test_repetitions_of_runs_from_several_seeds_share_none(tmp_path):
    all_seeds = [seed for run in range(3) for seed in Request("any", run, tmp_path).own_seeds(5)]
    assert all_seeds == list(range(15))


def test_frames_are_drawn_at_random_or_by_their_weights(request_):
    places = np.arange(40000.0)[:, None, None] * [1, 0, 0]
    frames = Frames(np.ones(1), np.ones(1), places, np.zeros((3, 3)), np.zeros(3, bool))
    starts = [structure.positions[0, 0] for structure in request_.random_frames("chains", frames, 100)]
    assert len(set(starts)) == 100
    # The upper half has three quarters of the weight: (1 + 3)² / (1² + 3²) / 2 of the frames are worth as much.
    drawn = request_.weighted_frames("model", frames, np.where(np.arange(40000) < 20000, 1.0, 3.0))
    assert len(drawn) == pytest.approx(32000, rel=1e-3)
    assert np.mean(drawn.positions[:, 0, 0] >= 20000) == pytest.approx(0.75, abs=0.01)


def test_a_stage_of_other_settings_is_refused(request_):
    def make():
        return {"x": Metric(1.0, None, "eV")}

    assert request_.stage("one", make, ARGON)["x"].value == 1.0
    assert request_.stage("one", make, ARGON)["x"].value == 1.0
    for other, of in ((request_, LennardJones(0.02, 3.4, 7.0)), (Request("large", 3, request_.out), ARGON)):
        with pytest.raises(CheckpointError, match=r"one\.json belongs to other settings"):
            other.stage("one", make, of)


def test_a_dynamics_that_explodes_can_be_a_result(request_):
    def explode():
        raise SimulationError("Too hot.")

    assert request_.stage("hot", explode, exploded="exploded/hot") == {"exploded/hot": Metric(1.0, None, "")}
    cold = request_.stage("cold", lambda: {"x": Metric(1.0, None, "")}, exploded="exploded/cold")
    assert cold["exploded/cold"].value == 0
    with pytest.raises(SimulationError):
        request_.stage("unexpected", explode)


def test_a_sweep_is_a_stage_for_each_setting(request_):
    done = []

    def make(setting):
        done.append(setting)
        return {"x": Metric(float(setting), None, "")}

    for _ in range(2):
        found = request_.sweep("size", (1, 2), make)
    assert {setting: metrics["x"].value for setting, metrics in found.items()} == {1: 1.0, 2: 2.0}
    assert done == [1, 2]


def _refuses_damaged_averages(path, read):
    """Whatever has been done to one of the arrays."""
    with np.load(path) as file:
        good = dict(file)
    bad = [(name, good[name] * np.nan) for name in ("averages", "weights")]
    bad += [("weights", good["weights"] * 0), ("averages", good["averages"][:2]), ("shape", np.zeros(0, int))]
    bad += [
        ("shape", shape) for shape in (good["shape"] + 1, -good["shape"], good["shape"] + 2**40, good["shape"][::-1])
    ]
    for name, array in bad:
        save_arrays(path, good | {name: array})
        with pytest.raises(CheckpointError, match=r"is damaged \(.*mdfit resume"):
            read()
    fewer = {name: array[:2] for name, array in good.items() if name in ("averages", "weights")}
    save_arrays(path, good | fewer | {"shape": np.array([2, *good["shape"][1:]])})
    with pytest.raises(CheckpointError, match="is damaged"):
        read()


def test_simulations_averages_and_models_are_kept(request_, at):
    def simulated():
        return request_.simulate("argon", ARGON, at, Langevin("4 fs"), Sampling("0.4 ps", "0.04 ps", "0.04 ps"))

    trajectory = simulated()
    np.testing.assert_array_equal(simulated().positions, trajectory.positions)
    rdf = RDF(7.0, bins=20)
    curve = request_.average("argon rdf", rdf, trajectory, blocks=5)
    again = request_.average("argon rdf", rdf, trajectory, blocks=5)
    np.testing.assert_array_equal(curve.value, BlockAverages.of(rdf, trajectory, blocks=5).value)
    np.testing.assert_array_equal(again.standard_error, curve.standard_error)
    with pytest.raises(CheckpointError, match="belongs to other settings"):
        request_.average("argon rdf", rdf, trajectory.part(1), blocks=5)
    weights = np.arange(1.0, 1 + len(trajectory))[None]
    weighted = request_.average("weighted", rdf, trajectory, 5, weights)
    np.testing.assert_array_equal(weighted.value, BlockAverages.of(rdf, trajectory, 5, weights).value)
    with pytest.raises(CheckpointError, match="belongs to other settings"):
        request_.average("weighted", rdf, trajectory, 5)
    with pytest.raises(CheckpointError, match="belongs to other settings"):
        request_.average("argon rdf", rdf, trajectory, blocks=4)
    _refuses_damaged_averages(
        request_.out / "averages" / "argon rdf.npz", lambda: request_.average("argon rdf", rdf, trajectory, 5)
    )
    request_.save("argon", ARGON)
    assert float(load(request_.out / "argon.mdfit").epsilon) == pytest.approx(0.0104)


def test_curves_are_compared_with_what_was_measured(request_, at):
    trajectory = request_.simulate("argon", ARGON, at, Langevin("4 fs"), Sampling("0.4 ps", "0.04 ps", "0.04 ps"))
    curve = request_.average("argon", RDF(7.0, bins=20), trajectory)
    metrics = request_.compare("rdf", {"model": curve}, curve.value + 0.5, "r (Å)", "g(r)", beyond=["model"])
    assert metrics["rdf_rmse/model"].value == pytest.approx(0.5)
    values, differences = read_figure(request_.out / "figures" / "rdf.json").plots
    assert [series.label for series in values.series] == ["measured", "model"]
    assert values.series[1].error is not None
    assert [series.label for series in differences.series] == ["measured"]
    # Against a simulation the errors of both count: those of equal curves are larger by the square root of two.
    both = request_.compare("other", {"model": curve}, curve, "r (Å)", "g(r)")["rdf_rmse/model".replace("rdf", "other")]
    assert both.value == 0


def test_metrics_that_are_missing_leave_no_point():
    metrics = {"error/fast/2": Metric(1.0, 0.1, ""), "error/fast/8": Metric(3.0, None, "")}
    series = metric_series("fast", metrics, "error/fast/{}", (2, 4.0, 8))
    assert (series.x, series.y, series.error) == ((2.0, 8.0), (1.0, 3.0), (0.1, 0.0))


@pytest.mark.parametrize(
    "document", [{"plots": []}, {"plots": [{"title": "", "x": "", "y": "", "series": [{"x": [1], "y": [1, 2]}]}]}, 3]
)
def test_damaged_figures_are_named(request_, document):
    request_.draw("rdf", Plot(title="t", x="x", y="y"))
    (request_.out / "figures" / "rdf.json").write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=r"rdf\.json is damaged"):
        read_figure(request_.out / "figures" / "rdf.json")


def test_the_report_needs_the_artefacts_only(request_):
    (request_.out / "request.json").write_text(
        json.dumps({"directory": "gone", "scale": "small", "seed": 3, "title": "Argon", "description": "Cold."})
    )
    request_.stage("judged", lambda: {"pressure/argon": Metric(12.0, 3.0, "bar", reference=1.0)})
    request_.draw("rdf", Plot(title="g(r) of argon", x="r", y="g", series=[Series(label="model", x=[1, 2], y=[0, 1])]))
    request_.save("argon", ARGON)
    page = write_report(request_.out).read_text()
    assert "<h1>Argon" in page
    assert "This run is not complete: 1 metrics" in page
    for words in ("12.0 ± 3.0", "+11", "g(r) of argon", "argon.mdfit", "LennardJones"):
        assert words in page


@pytest.mark.parametrize("recipe", ["alanine_dipeptide", "cg_water", "diamond", "silicon_dft", "three_bpa"])
def test_committed_results_have_a_report(recipe, tmp_path):
    import shutil
    from pathlib import Path

    shutil.copytree(Path(__file__).parents[2] / "recipes" / recipe / "results", tmp_path / recipe)
    page = write_report(tmp_path / recipe).read_text()
    assert page.count('src="data:image/png;base64,') == len(list((tmp_path / recipe).glob("*.png")))
    assert "Results" in page
