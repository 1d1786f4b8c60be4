"""Panels hold the numbers that they should, in the units at their axes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mdfit.recipes.schema import Crystal, Properties
from mdfit.report.plots_accuracy import parity
from mdfit.report.plots_learning import learning_panels
from mdfit.report.plots_properties import equation_of_state_panels
from mdfit.report.plots_simulation import simulation_panels
from mdfit.report.run_files import read_run
from mdfit.units import GIGAPASCAL


def drawn(panel):
    axes = Figure().subplots()
    (panel if callable(panel) else panel.draw)(axes)
    return axes


def lines(axes) -> dict[str, np.ndarray]:
    return {line.get_label(): np.asarray(line.get_xydata(), float) for line in axes.lines}


def test_training_and_validation_energies_share_a_unit(finished_run):
    panels = {panel.name: panel for panel in learning_panels(read_run(finished_run))}
    assert set(panels) == {"learning_loss", "learning_force", "learning_energy"}  # no stress labels were trained on
    axes = drawn(panels["learning_energy"])
    assert axes.get_ylabel() == "energy RMSE (meV/atom)"
    curves = lines(axes)
    np.testing.assert_allclose(curves["training"], [(n, 100 * np.exp(-n / 8)) for n in range(1, 31)])
    np.testing.assert_allclose(curves["validation"], [(n, 120 * np.exp(-n / 8)) for n in range(5, 31, 5)])


def test_parity_shows_every_point_few_or_many():
    random = np.random.default_rng(0)
    for count in (100, 5000):
        labels = random.normal(size=count)
        axes = drawn(parity(np.stack([labels, labels + 0.25], axis=1), "force", "eV/Å", 1e3, "meV/Å"))
        points = axes.collections[0]
        shown = len(points.get_offsets()) if count == 100 else points.get_array().sum()
        assert shown == count
        assert axes.texts[0].get_text() == "RMSE 250 meV/Å\nMAE 250 meV/Å"
        assert axes.get_xlim() == axes.get_ylim()


def test_equation_of_state_fits_its_points_and_shows_the_reference():
    volumes = np.linspace(18, 22, 9)
    energies = -5 + 0.5 * (90 * GIGAPASCAL) / 20 * (volumes - 20) ** 2
    choice = Properties(
        crystal=Crystal(element="Si", lattice="diamond", a=5.45, repeat=(2, 1, 1)),
        reference={"static/lattice_constant": 5.43, "static/C11": 166, "static/C12": 64},
    )
    (panel,) = equation_of_state_panels(choice, {"volumes": volumes, "energies": energies})
    curves = lines(drawn(panel))
    np.testing.assert_allclose(curves["potential"][:, 1], 1e3 * (energies + 5), atol=0.3)
    fit = curves["Birch–Murnaghan fit"]
    assert fit[np.argmin(fit[:, 1]), 0] == pytest.approx(20, abs=0.05)
    reference = curves["reference, B = 98 GPa"]
    volume = 5.43**3 / 8
    near = np.abs(reference[:, 0] - volume) < 0.4
    curvature = 2e-3 * np.polyfit(reference[near, 0] - volume, reference[near, 1], 2)[0] * volume / GIGAPASCAL
    assert curvature == pytest.approx(98, rel=0.01)


def test_points_without_a_minimum_are_shown_without_a_curve():
    choice = Properties(crystal=Crystal(element="Si", lattice="diamond", a=5.45))
    (panel,) = equation_of_state_panels(choice, {"volumes": np.array([18.0, 20.0]), "energies": np.array([-1.0, -2.0])})
    assert set(lines(drawn(panel))) == {"potential"}
    assert equation_of_state_panels(None, {}) == []


def test_conserved_energy_shows_its_drift(finished_run):
    run = read_run(finished_run)
    panels = {p.name: p for p in simulation_panels("nve", run.loaded.recipe.simulations["nve"], run.simulations["nve"])}
    assert set(panels) == {"temperature_nve", "energy_nve"}
    line = lines(drawn(panels["energy_nve"]))["slope 1 meV/atom/ps"]
    assert (line[-1, 1] - line[0, 1]) / (line[-1, 0] - line[0, 0]) == pytest.approx(1, rel=1e-6)


def test_replicas_are_single_traces_in_picoseconds(finished_run):
    run = read_run(finished_run)
    panels = simulation_panels("liquid", run.loaded.recipe.simulations["liquid"], run.simulations["liquid"])
    assert [panel.name for panel in panels] == ["temperature_liquid", "energy_liquid", "rdf_liquid"]
    traces = [line.get_xydata() for line in drawn(panels[0]).lines if line.get_label() != "thermostat"]
    assert len(traces) == 2
    np.testing.assert_allclose(traces[1][:, 0], np.arange(1, 101) / 100)
    np.testing.assert_allclose(traces[1][:, 1], run.simulations["liquid"]["temperature"][1])


def test_long_traces_are_averaged_over_intervals(finished_run):
    run = read_run(finished_run)
    simulation = run.loaded.recipe.simulations["liquid"]
    arrays = {"times": np.arange(1.0, 4001.0), "temperature": np.tile([200.0, 400.0], 2000)[None]}
    arrays |= {"potential_energy": np.zeros((1, 4000)), "total_energy": np.zeros((1, 4000))}
    trace = drawn(simulation_panels("liquid", simulation, arrays)[0]).lines[0].get_xydata()
    np.testing.assert_allclose(trace[:, 1], 300)
    assert len(trace) == 1000
