"""Predicted curves and densities beside what they should be."""

import numpy as np
import pytest

from mdfit.observables import (
    Basin,
    BasinPopulations,
    BlockAverages,
    Coordinate,
    Dihedral,
    Distribution,
    Interval,
    JointDistribution,
)
from mdfit.recipes import components, density_deviations, free_energy_profile, free_energy_surfaces

RING = JointDistribution(Distribution(Dihedral(0, 1, 2, 3), bins=60), Distribution(Dihedral(1, 2, 3, 4), bins=60))


def blocks_of(points: np.ndarray, weights: np.ndarray) -> BlockAverages:
    """The density of points ``(2, blocks, frames)`` of a ring."""
    edges = np.linspace(-np.pi, np.pi, 61)
    parts = [
        np.histogram2d(*one, bins=(edges, edges), density=True, weights=own)[0]
        for one, own in zip(points.swapaxes(0, 1), weights, strict=True)
    ]
    sums = weights.sum(axis=1)
    return BlockAverages(RING, np.array(parts), sums / sums.mean())


def test_equal_densities_are_no_distance_apart():
    random = np.random.default_rng(0)
    density = blocks_of(random.uniform(-np.pi, np.pi, (2, 4, 50)), random.random((4, 50)))
    same = density_deviations("same", density, density.value, 300.0, "dihedral")
    assert {name: metric.unit for name, metric in same.items()} == {
        "dihedral_density_mse/same": "rad^-4",
        "jensen_shannon/same": "nat",
        "free_energy_error/same": "meV",
    }
    for metric in same.values():
        assert metric.value == pytest.approx(0, abs=1e-9)
        assert metric.standard_error > 0


def test_free_energies_are_above_their_minimum():
    edges = np.linspace(0.0, 3.0, 4)
    density = np.array([[4.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1e-9]])
    (plot,) = free_energy_surfaces({"some_model": density}, edges, "a", "b", highest=8.0)
    assert plot.title == "some model"
    assert plot.surface.values[0] == (0.0, pytest.approx(np.log(2)), None)
    # Too high to be drawn.
    assert plot.surface.values[2][2] is None
    profile = free_energy_profile({"reference": density, "some_model": density}, edges, 0, "a", highest=8.0)
    assert [series.style for series in profile.series] == ["reference", "line"]
    assert profile.series[0].x == (0.5, 1.5, 2.5)
    assert profile.series[0].y[:2] == (0.0, pytest.approx(np.log(2)))


def test_components_are_named_by_their_labels():
    basins = BasinPopulations(
        (Basin("left", (Interval(Coordinate(0), -1, 0),)), Basin("right", (Interval(Coordinate(0), 0, 1),)))
    )
    found = components("population/{}/model", BlockAverages(basins, np.array([[0.2, 0.8], [0.4, 0.6]]), np.ones(2)))
    assert list(found) == ["population/left/model", "population/right/model"]
    assert found["population/left/model"].value == pytest.approx(0.3)
    assert found["population/left/model"].standard_error > 0
