"""Populations of basins, distributions of all internal coordinates, and distances between densities."""

import numpy as np
import pytest

from mdfit.errors import ObservableError, UnitError
from mdfit.observables import (
    Basin,
    BasinPopulations,
    Coordinate,
    Dihedral,
    Distance,
    Distribution,
    FreeEnergyProfile,
    Interval,
    JointDistribution,
    angle_distributions,
    bond_distributions,
    dihedral_distributions,
    estimate,
    free_energy_error,
    jensen_shannon_divergence,
    mean_squared_density_error,
    total_variation,
    variable_per_frame,
)
from mdfit.observables.registry import observable_from
from mdfit.structure import Topology
from mdfit.units import BOLTZMANN

PHI, PSI = Dihedral(0, 1, 2, 3), Dihedral(1, 2, 3, 4)


def turned(known, phi, psi):
    """Frames of a chain of five atoms with these dihedral angles, ``(replicas, frames)`` each."""
    places = np.zeros((*phi.shape, 5, 3))
    places[..., 0, 0] = places[..., 3, 2] = 1.0
    places[..., 2, 2] = 1.0
    out = np.stack([np.cos(phi), np.sin(phi), np.zeros_like(phi)], axis=-1)
    places[..., 3, :] = [0, 0, 1] + out
    # The last bond is at a right angle to out: psi = 0 is cis, back along −z.
    side = np.cross([0.0, 0, 1], out)
    places[..., 4, :] = (
        places[..., 3, :] - np.cos(psi)[..., None] * np.array([0, 0, 1.0]) + np.sin(psi)[..., None] * side
    )
    return known.trajectory(places, periodic=np.zeros(3, bool))


def test_the_chain_has_its_dihedral_angles(known):
    phi, psi = np.random.default_rng(0).uniform(-3, 3, (2, 1, 20))
    trajectory = turned(known, phi, psi)
    basin = BasinPopulations(
        Basin(
            "all",
            (Interval(PHI, phi.min() - 1e-9, phi.max() + 1e-9), Interval(PSI, psi.min() - 1e-9, psi.max() + 1e-9)),
        )
    )
    assert float(estimate(basin, trajectory).value[0]) == 1
    np.testing.assert_allclose(variable_per_frame(PHI, trajectory)[..., 0], phi)
    np.testing.assert_allclose(variable_per_frame(PSI, trajectory)[..., 0], psi)
    half = BasinPopulations(Basin("half", (Interval(PHI, np.median(phi), 3), Interval(PSI, -3, np.median(psi)))))
    expected = np.mean((phi > np.median(phi)) & (psi < np.median(psi)))
    assert float(estimate(half, trajectory).value[0]) == pytest.approx(expected)


def test_populations_with_error_bars(known):
    """Independent frames: the error is that of the binomial distribution."""
    random = np.random.default_rng(1)
    phi, psi = random.uniform(-np.pi, np.pi, (2, 4, 2500))
    basins = BasinPopulations(
        (
            Basin("quarter", Interval(PHI, "0 deg", "90 deg")),
            Basin("across ±π", (Interval(PHI, "150 deg", "-150 deg"), Interval(PSI, "-90 deg", "90 deg"))),
        )
    )
    found = estimate(basins, turned(known, phi, psi))
    assert found.labels == ("quarter", "across ±π")
    expected = np.array([1 / 4, 1 / 12])
    np.testing.assert_allclose(found.standard_error, np.sqrt(expected * (1 - expected) / 10_000), rtol=0.1)
    assert (np.abs(found.value - expected) < 4 * found.standard_error).all()


def test_a_ring_may_be_written_in_any_turn(known):
    phi = np.random.default_rng(2).uniform(-np.pi, np.pi, (1, 500))
    trajectory = turned(known, phi, phi)
    values = [
        float(estimate(BasinPopulations(Basin("one", Interval(PHI, *edges))), trajectory).value[0])
        for edges in (("170 deg", "190 deg"), ("170 deg", "-170 deg"), ("-190 deg", "-170 deg"))
    ]
    assert values[0] == values[1] == values[2] == np.mean(np.abs(phi) >= np.radians(170))


def test_basins_that_are_never_visited_or_left_carry_a_warning(known):
    phi = np.random.default_rng(1).uniform(0.1, 1.0, (1, 500))
    basins = BasinPopulations(
        (Basin("far", Interval(PHI, "90 deg", "180 deg")), Basin("all", Interval(PHI, "0 deg", "90 deg")))
    )
    found = estimate(basins, turned(known, phi, phi))
    assert found.warnings == (
        "no frame has visited far, so that this population has no error bar; simulate longer",
        "no frame has left all, so that this population has no error bar; simulate longer",
    )


def test_populations_pool_molecules(known):
    x = np.linspace(0, 1, 40).reshape(1, 10, 4)
    places = np.zeros((1, 10, 4, 3))
    places[..., 0] = x
    trajectory = known.trajectory(places, periodic=np.zeros(3, bool))
    left = BasinPopulations(Basin("left", Interval(Coordinate(0), -1, 0.5)))
    assert float(estimate(left, trajectory).value[0]) == 0.5


def test_free_energy_surface_of_two_dihedral_angles(known):
    """Independent von Mises angles: F/k_B T = −κ cos(φ − c) − κ' cos ψ; error bars cover the deviations."""
    random = np.random.default_rng(3)
    thermal = 300 * BOLTZMANN
    phi, psi = random.vonmises(3.0, 1.0, (8, 5000)), random.vonmises(0.0, 0.7, (8, 5000))
    surface = FreeEnergyProfile(JointDistribution(Distribution(PHI, bins=18), Distribution(PSI, bins=18)))
    found = estimate(surface, turned(known, phi, psi))
    grid = surface.distribution.first.grid
    exact = -thermal * (np.cos(grid - 3.0)[:, None] + 0.7 * np.cos(grid))
    offset = np.nanmean(found.value - exact)
    deviation = (found.value - exact - offset) / found.standard_error
    assert found.value.shape == (18, 18)
    assert np.isfinite(found.value).all()
    assert 0.8 < np.sqrt(np.mean(deviation**2)) < 1.4


def test_named_in_files():
    document = {
        "BasinPopulations": {
            "basins": [
                {
                    "Basin": {
                        "name": "alpha",
                        "intervals": [
                            {
                                "Interval": {
                                    "collective_variable": {"Dihedral": {"i": 0, "j": 1, "k": 2, "l": 3}},
                                    "minimum": "0 deg",
                                    "maximum": "120 deg",
                                }
                            }
                        ],
                    }
                }
            ]
        }
    }
    assert observable_from(document) == BasinPopulations(Basin("alpha", Interval(PHI, 0, "120 deg")))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Interval(Distance(0, 1), 2, 1), ObservableError, "holds no value"),
        (lambda: Interval(PHI, 0, 7), ObservableError, "longer than the period"),
        (lambda: Interval(PHI, 0, "1 Å"), UnitError, "maximum"),
        (lambda: Interval("phi", 0, 1), ObservableError, "collective variable"),
        (lambda: Basin("none", ()), ObservableError, "at least one Interval"),
        (lambda: BasinPopulations(()), ObservableError, "of basins"),
        (lambda: BasinPopulations((Basin("a", Interval(PHI, 0, 1)),) * 2), ObservableError, "same name"),
    ],
)
def test_bad_basins_are_refused_with_the_reason(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_basins_of_unlike_variables_or_other_trajectories(known):
    phi = np.zeros((1, 20))
    two = Basin("two", (Interval(PHI, 0, 1), Interval(Coordinate(0), 0, 1)))
    with pytest.raises(ObservableError, match="different numbers of tuples"):
        estimate(BasinPopulations(two), turned(known, phi, phi))
    far = Basin("far", Interval(Dihedral(0, 1, 2, 9), 0, 1))
    with pytest.raises(ObservableError, match="atom 9"):
        estimate(BasinPopulations(far), turned(known, phi, phi))


def test_distributions_of_all_coordinates_of_a_topology(known):
    chain = Topology.from_bonds(5, [(0, 1), (1, 2), (2, 3), (3, 4)]).with_impropers([])
    phi, psi = np.random.default_rng(0).uniform(-3, 3, (2, 1, 40))
    trajectory = turned(known, phi, psi)
    bonds, angles = bond_distributions(chain, 0.5, 1.5, 10), angle_distributions(chain, 9)
    dihedrals = dihedral_distributions(chain, 12)
    assert (len(bonds), len(angles), len(dihedrals)) == (4, 3, 2)
    assert dihedral_distributions(chain, impropers=True) == ()
    for one in (*bonds, *angles, *dihedrals):
        assert estimate(one, trajectory).value.sum() * one.bin_width == pytest.approx(1)
    counts = np.histogram(phi, 12, (-np.pi, np.pi))[0]
    np.testing.assert_allclose(
        estimate(dihedrals[0], trajectory).value * dihedrals[0].bin_width * 40, counts, atol=1e-9
    )
    both = dihedral_distributions(chain, 12, molecules=2)[0].collective_variable
    assert both == Dihedral((0, 5), (1, 6), (2, 7), (3, 8))


def test_distances_between_densities():
    one, other = np.array([[0.5, 0.5], [0, 0]]), np.array([[0.25, 0.25], [0.5, 0]])
    assert mean_squared_density_error(one, other) == pytest.approx((2 * 0.25**2 + 0.5**2) / 4)
    assert total_variation(one, 7 * other) == pytest.approx(0.5)
    middle = 0.375
    expected = 0.5 * (np.log(0.5 / middle) + 0.5 * np.log(0.25 / middle) + 0.5 * np.log(0.5 / 0.25))
    assert jensen_shannon_divergence(3 * one, other) == pytest.approx(expected)
    assert jensen_shannon_divergence(one, one) == 0
    assert jensen_shannon_divergence([1, 0], [0, 1]) == pytest.approx(np.log(2))


def test_jensen_shannon_is_that_of_scipy():
    from scipy.spatial.distance import jensenshannon

    one, other = np.random.default_rng(0).random((2, 50))
    assert jensen_shannon_divergence(one, other) == pytest.approx(jensenshannon(one, other) ** 2)


def test_free_energy_error():
    thermal = 300 * BOLTZMANN
    reference = np.array([0.6, 0.3, 0.1])
    shift = np.array([0.0, 0.01, -0.02])
    density = 5 * reference * np.exp(-shift / thermal)
    mean = np.sum(reference * shift)
    expected = np.sqrt(np.sum(reference * (shift - mean) ** 2))
    assert free_energy_error(density, reference, "300 K") == pytest.approx(expected)
    assert free_energy_error(reference, 2 * reference, 300) == pytest.approx(0, abs=1e-12)
    lacking = np.array([0.6, 0.4, 0.0])
    assert free_energy_error(lacking, reference, 300, empty=0.5) > free_energy_error(lacking, reference, 300)
    with pytest.raises(ObservableError, match="no bin in common"):
        free_energy_error([1, 0], [0, 1], 300)


@pytest.mark.parametrize("compare", [mean_squared_density_error, jensen_shannon_divergence, total_variation])
def test_bad_densities_are_refused_with_the_reason(compare):
    with pytest.raises(ObservableError, match="same bins"):
        compare([1.0, 2.0], [1.0])
    with pytest.raises(ObservableError, match="reference has values that are negative"):
        compare([1.0, 2.0], [1.0, -1.0])
    if compare is not mean_squared_density_error:
        with pytest.raises(ObservableError, match="zero in all bins"):
            compare([0.0, 0.0], [1.0, 1.0])
