"""The pieces of the recipe for alanine dipeptide."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from mdfit.data import Frames
from mdfit.observables import variable_per_frame
from mdfit.recipes.metrics import read_metrics
from mdfit.simulate import Trajectory

pytestmark = pytest.mark.usefixtures("recipe_modules")
FOLDER = Path(__file__).parents[2] / "recipes" / "alanine_dipeptide"
MODELS = ("force_matching", "relative_entropy", "force_matching_then_relative_entropy")


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A few frames of all atoms."""
    pytest.importorskip("openmm")
    from dipeptide_model import all_atoms
    from dipeptide_scales import DEMO

    from mdfit.recipes import Request, Sampling

    request = Request("demo", 0, tmp_path_factory.mktemp("alanine"), show_progress=False)
    return all_atoms(request, dataclasses.replace(DEMO, reference=Sampling("4 ps", "1 ps", "0.1 ps")))


def test_published_densities_have_the_published_distances():
    from dipeptide_judgement import BINS, published_density

    from mdfit.observables import jensen_shannon_divergence, mean_squared_density_error

    atoms, matched, entropy = (published_density(column) for column in ("rho_AA", "rho_FM", "rho_RE"))
    assert atoms.sum() * (2 * np.pi / BINS) ** 2 == pytest.approx(1, abs=1e-3)
    assert mean_squared_density_error(matched, atoms) == pytest.approx(3.05e-3, rel=0.01)
    assert mean_squared_density_error(entropy, atoms) == pytest.approx(3.77e-5, rel=0.01)
    assert jensen_shannon_divergence(matched, atoms) == pytest.approx(0.0927, rel=0.01)
    # The α_R side, -120° to 60° of ψ, has 40 %: rows are φ and columns are ψ.
    assert atoms[:, 10:40].sum() / atoms.sum() == pytest.approx(0.400, abs=0.002)


def random_beads(frames: int) -> Frames:
    positions = np.random.default_rng(0).normal(size=(frames, 10, 3))
    return Frames(np.full(10, 6, np.int32), np.full(10, 12.0), positions, np.zeros((3, 3)), np.zeros(3, bool))


@pytest.fixture
def ensemble(tmp_path):
    """Of 400 frames, in ten blocks."""
    from dipeptide_judgement import Ensemble

    from mdfit.recipes import Request

    return Ensemble.of_frames(Request("demo", 0, tmp_path, show_progress=False), "random", random_beads(400))


def test_basins_cover_all_angles_once(ensemble):
    from dipeptide_judgement import PHI

    shares = [metric.value for metric in ensemble.populations.values()]
    assert next(iter(ensemble.populations)) == "population/C5/random"
    assert sum(shares) == pytest.approx(1)
    weights = ensemble.weights / ensemble.weights.sum()
    phi = variable_per_frame(PHI, ensemble.trajectory)[..., 0]
    assert shares[-1] == pytest.approx(weights[np.abs(phi) < np.radians(30)].sum())
    assert all(metric.standard_error > 0 for metric in ensemble.populations.values())


def test_weights_take_back_the_bias_of_the_beads():
    from dipeptide_judgement import unbiasing_weights
    from dipeptide_model import bias
    from dipeptide_scales import TEMPERATURE

    from mdfit.potentials import predict
    from mdfit.units import BOLTZMANN

    frames = random_beads(30)
    weights = unbiasing_weights(Trajectory.of_frames(frames, temperature=300.0))
    energies = [frame.energy for frame in predict(bias(6.0), frames.dataset(labels=False))]
    np.testing.assert_allclose(BOLTZMANN * TEMPERATURE * np.log(weights[0]), energies, atol=1e-5)


def test_densities_of_equal_samples_are_no_distance_apart(ensemble):
    from dipeptide_judgement import BINS, DENSITY, PHI, PSI, halves

    from mdfit.observables import BlockAverages

    same = ensemble.distances(ensemble)
    kinds = ("dihedral_density_mse", "jensen_shannon", "free_energy_error")
    assert [same[f"{kind}/random"].value for kind in kinds] == pytest.approx([0, 0, 0], abs=1e-9)
    assert same["dihedral_density_mse/random"].standard_error > 0
    # The density is the weighted histogram of both angles, φ first.
    edges = np.linspace(-np.pi, np.pi, BINS + 1)
    phi, psi = (variable_per_frame(one, ensemble.trajectory).ravel() for one in (PHI, PSI))
    expected = np.histogram2d(phi, psi, bins=(edges, edges), density=True, weights=ensemble.weights.ravel())[0]
    np.testing.assert_allclose(ensemble.density.value, expected, atol=1e-6 * expected.max())
    # Independent halves of n frames each differ by 2 a/(n a) · mean density = 2/(n a · 4π²), a being the area of a bin.
    uniform = np.random.default_rng(0).uniform(-np.pi, np.pi, (2, 10, 4000))
    parts = [np.histogram2d(*part, bins=(edges, edges), density=True)[0] for part in uniform.swapaxes(0, 1)]
    found = halves(BlockAverages(DENSITY, np.array(parts), np.ones(10)))["dihedral_density_mse/reference"]
    area = (2 * np.pi / BINS) ** 2
    assert found.value == pytest.approx(2 / (20000 * area * 4 * np.pi**2), rel=0.1)
    assert found.standard_error is None


def test_passages_are_counted_and_mirror_images_seen(ensemble):
    from dipeptide_judgement import HANDEDNESS, PHI

    metrics = ensemble.motion()
    phi = np.degrees(variable_per_frame(PHI, ensemble.trajectory)[..., 0])
    inside = (phi >= 30) & (phi < 120)
    assert metrics["crossings/random"].value == np.sum(inside[:, 1:] != inside[:, :-1])
    hands = variable_per_frame(HANDEDNESS, ensemble.trajectory)
    assert metrics["mirror_image/random"].value == pytest.approx(np.mean(hands > 0))
    assert metrics["drift/random"].standard_error > 0


def test_beads_are_the_heavy_atoms_with_the_forces_of_their_hydrogens(reference):
    from dipeptide_judgement import HANDEDNESS, L_HANDED
    from dipeptide_model import BEADS, mapped

    beads, _ = mapped(reference)
    assert beads.names == BEADS
    heavy = [atom for atom, number in enumerate(reference.species) if number > 1]
    np.testing.assert_array_equal(beads.positions, reference.positions[:, heavy])
    # Rigid bonds only pass forces on within a bead, so that the total is that of all atoms.
    np.testing.assert_allclose(beads.forces.sum(axis=1), reference.forces.sum(axis=1), atol=1e-4)
    assert beads.masses.sum() == pytest.approx(144.17, abs=0.02)
    hands = variable_per_frame(HANDEDNESS, Trajectory.of_frames(beads, temperature=300.0))
    assert (np.sign(hands) == L_HANDED).all()


def test_prior_tells_the_molecule_from_its_mirror_image(reference):
    from dipeptide_model import mapped, new_model, prior
    from dipeptide_scales import SIZES

    from mdfit.data import Dataset, LabelledStructure
    from mdfit.potentials import predict, trainable_except
    from mdfit.units import BOLTZMANN

    beads, _ = mapped(reference)
    model = new_model(prior(beads.positions, 6.0), SIZES["demo"].network, jax.random.key(0))
    own = beads.structure(0)
    mirror = own.replace(positions=own.positions * [1, 1, -1])
    data = Dataset((LabelledStructure(own), LabelledStructure(mirror)))
    energies = [frame.energy for frame in predict(model, data)]
    assert energies[1] - energies[0] > 20 * BOLTZMANN * 300
    # The network alone cannot tell.
    energies = [frame.energy for frame in predict(model.terms[0], data)]
    assert energies[1] == pytest.approx(energies[0], abs=1e-5)
    flags = trainable_except(model, range(1, len(model.terms)))
    assert any(jax.tree.leaves(flags.terms[0]))
    assert not any(jax.tree.leaves(flags.terms[1:]))


def test_bonds_and_angles_of_equal_samples_are_no_distance_apart(reference, tmp_path):
    from dipeptide_judgement import GEOMETRY, Ensemble
    from dipeptide_model import mapped

    from mdfit.recipes import Request

    beads, _ = mapped(reference)
    own = Ensemble.of_frames(Request("demo", 0, tmp_path, show_progress=False), "same", beads)
    assert {kind: len(variables) for kind, variables in GEOMETRY.items()} == {"bonds": 9, "angles": 11}
    # The bond of C and O of the first peptide group, and the angle of both with the methyl group.
    carbon, oxygen, methyl = (own.trajectory.positions[:, :, atom].astype(float) for atom in (1, 2, 0))
    bond = variable_per_frame(GEOMETRY["bonds"][1], own.trajectory)[..., 0]
    np.testing.assert_allclose(bond, np.linalg.norm(carbon - oxygen, axis=-1), rtol=1e-5)
    legs = [(leg - carbon) / np.linalg.norm(leg - carbon, axis=-1, keepdims=True) for leg in (methyl, oxygen)]
    angle = variable_per_frame(GEOMETRY["angles"][0], own.trajectory)[..., 0]
    np.testing.assert_allclose(angle, np.arccos(np.sum(legs[0] * legs[1], axis=-1)), atol=1e-5)
    same = own.geometry(own)
    assert {name: metric.value for name, metric in same.items()} == {
        "jensen_shannon_bonds/same": 0,
        "jensen_shannon_angles/same": 0,
    }


def test_curves_leave_out_what_exploded():
    from dipeptide_sweeps import DENSITY, OF_TIMESTEPS

    from mdfit.recipes import Metric, sweep_plot

    metrics = {"dihedral_density_mse/force_matching/langevin/4": Metric(1e-3, 1e-4, "")}
    metrics["exploded/force_matching/langevin/6"] = Metric(1.0, None, "")
    quantity, level = DENSITY
    plot = sweep_plot(metrics, quantity, OF_TIMESTEPS, (4.0, 6.0), "time step (fs)", levels={"reference": level})
    (series,) = plot.series
    assert (series.label, series.x, series.y) == ("force matching, BAOAB", (4.0,), (1e-3,))


@pytest.mark.slow
def test_sweeps_train_and_judge_a_model_for_each_setting(tmp_path, monkeypatch):
    pytest.importorskip("openmm")
    import dipeptide_sweeps
    from dipeptide_scales import DEMO, SIZES

    from mdfit.recipes import Request, Sampling

    short = dataclasses.replace(DEMO.entropy_after, sampling=Sampling("0.48 ps", 0, "0.24 ps"))
    size = dataclasses.replace(DEMO, entropy_after=short, evaluation=Sampling("1.92 ps", "0.48 ps", "0.24 ps"))
    for scale in ("data_sweep", "timestep_sweep"):
        monkeypatch.setitem(SIZES, scale, size)
    monkeypatch.setattr(dipeptide_sweeps, "NUMBERS_OF_FRAMES", (50, 200))
    monkeypatch.setattr(dipeptide_sweeps, "TIMESTEPS", (4.0, 12.0))
    data = dipeptide_sweeps.sweep_data(Request("data_sweep", 0, tmp_path / "data", False))
    after = "force_matching_then_relative_entropy"
    for number in (50, 200):
        for method in ("force_matching", after):
            assert data[f"dihedral_density_mse/{method}/{number}"].standard_error > 0
    # All 200 frames are the reference itself, 50 of them are not.
    assert data["dihedral_density_mse/samples/50"].value > 0
    assert "dihedral_density_mse/samples/200" not in data
    steps = dipeptide_sweeps.sweep_timesteps(Request("timestep_sweep", 0, tmp_path / "steps", False))
    for model in ("force_matching/langevin", "force_matching/nose_hoover", f"{after}/nose_hoover"):
        assert steps[f"exploded/{model}/4"].value == 0
        # Far beyond the stability of the stiffest bond.
        assert steps[f"exploded/{model}/12"].value == 1
        assert f"dihedral_density_mse/{model}/12" not in steps
    for run, figure in (("data", "data_sweep"), ("steps", "timestep_sweep")):
        assert (tmp_path / run / "figures" / f"{figure}.json").exists()


def test_results_are_committed_and_meet_what_the_readme_says():
    metrics = read_metrics(FOLDER / "results" / "metrics.json")
    kinds = ("dihedral_density_mse", "jensen_shannon")
    basins = ("C5", "PPII", "alpha_R", "alpha_L", "left_extended", "eclipsed")
    assert {f"{kind}/{name}" for kind in kinds for name in ("reference", *MODELS)} <= set(metrics)
    assert all(metrics[f"dihedral_density_mse/{model}"].standard_error > 0 for model in MODELS)
    for name in ("reference", *MODELS):
        assert sum(metrics[f"population/{basin}/{name}"].value for basin in basins) == pytest.approx(1)
        assert metrics[f"mirror_image/{name}"].value == 0
    matched, after = (metrics[f"dihedral_density_mse/{name}"].value for name in (MODELS[0], MODELS[2]))
    assert after < 0.2 * matched
    # The rare basin is kept; the population of plain relative entropy is another one by many standard errors.
    reference, plain, kept = (metrics[f"population/alpha_L/{name}"] for name in ("reference", *MODELS[1:]))
    assert kept.value == pytest.approx(reference.value, rel=0.25)
    assert plain.value - reference.value > 5 * plain.standard_error


def test_relative_entropy_needs_fewer_frames_than_force_matching():
    metrics = read_metrics(FOLDER / "results" / "data_sweep" / "metrics.json")
    for number in (300, 2000, 15_000, 120_000):
        matched, refined = (metrics[f"dihedral_density_mse/{model}/{number}"] for model in (MODELS[0], MODELS[2]))
        assert refined.standard_error > 0
        assert refined.value < matched.value
    # From 300 frames it is better than force matching from all 120,000.
    few, all_ = metrics[f"jensen_shannon/{MODELS[2]}/300"], metrics[f"jensen_shannon/{MODELS[0]}/120000"]
    assert all_.value - few.value > 3 * np.hypot(few.standard_error, all_.standard_error)


def test_relative_entropy_is_better_at_every_time_step():
    metrics = read_metrics(FOLDER / "results" / "timestep_sweep" / "metrics.json")
    steps = [step for step in (2, 3, 4, 5, 6) if f"jensen_shannon/{MODELS[2]}/nose_hoover/{step}" in metrics]
    assert {2, 3, 4} <= set(steps)
    for step in steps:
        matched, refined = (metrics[f"jensen_shannon/{model}/nose_hoover/{step}"] for model in (MODELS[0], MODELS[2]))
        assert matched.value - refined.value > 3 * np.hypot(matched.standard_error, refined.standard_error)
