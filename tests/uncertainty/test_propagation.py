"""Both error bars of observables, where the answers are known: oscillators, whose <x²> is k_BT / 2k."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest
from ase.build import bulk

from mdfit import StatePoint, Structure
from mdfit.data import Frames
from mdfit.errors import NeighborListError, ObservableError, PotentialError, ReweightingError
from mdfit.farm import local_executor
from mdfit.observables import MeanSquareDisplacement, Observable, Pressure
from mdfit.observables import estimate as single_estimate
from mdfit.potentials import ExternalPolynomial, LennardJones, PotentialSet
from mdfit.reweighting import reweight
from mdfit.simulate import NVE, Langevin, Trajectory
from mdfit.uncertainty import (
    SimulationPlan,
    UncertainEstimate,
    estimate,
    estimate_reweighted,
    estimate_simulated,
    member_weights,
    simulate_members,
)
from mdfit.units import BOLTZMANN

_KT = BOLTZMANN * 300.0
_STIFFNESS = 0.5
_KEY = jax.random.key(3)


@dataclass(frozen=True)
class _Square(Observable):
    """x² in Å²."""

    unit = "Å²"

    def per_snapshot(self, snapshot):
        return snapshot.positions[:, 0].mean(where=True) ** 2


@dataclass(frozen=True)
class _InverseSquare(Observable):
    """1 / <x²>, which is 2 k / k_BT."""

    def per_snapshot(self, snapshot):
        return snapshot.positions[0, 0] ** 2

    def combine(self, averages):
        return 1 / averages


def _spring(stiffness):
    """An oscillator of energy k x²."""
    return ExternalPolynomial(0, 0.0, [0, 0, stiffness])


def _set(*stiffnesses, weights=None):
    return PotentialSet.of([_spring(k) for k in stiffnesses], weights)


def _samples(stiffness, frames=400, seed=0, replicas=1):
    """Independent samples of the oscillator."""
    x = np.random.default_rng(seed).normal(0, np.sqrt(_KT / 2 / stiffness), (replicas, frames))
    runs = [
        Frames(
            [1],
            [1.0],
            np.stack([one, 0 * one, 0 * one], axis=-1)[:, None],
            np.zeros((3, 3)),
            [False] * 3,
            energies=stiffness * one**2,
        )
        for one in x
    ]
    return Trajectory.of_frames(*runs, temperature=300.0)


def _plan(**settings):
    at = StatePoint(Structure.in_open_space([[0.0, 0, 0]], masses=1.0), "300 K")
    given = {"duration": "20 ps", "every": "20 fs", "equilibrate": "1 ps", **settings}
    return SimulationPlan(at, Langevin("1 fs", friction="50 /ps"), **given)


def test_reweighting_finds_what_members_say_and_by_what_they_differ():
    stiffnesses = np.array([0.46, 0.49, 0.51, 0.54])
    potentials = _set(*stiffnesses)
    errors, spreads, deviations = [], [], []
    exact = _KT / 2 / stiffnesses
    for seed in range(50):
        (found,) = estimate_reweighted([_Square()], member_weights(potentials, _samples(_STIFFNESS, 300, seed)))
        errors.append((found.value - exact.mean()) / found.statistical_error)
        spreads.append(found.potential_error)
        deviations.append(found.members - found.value - (exact - exact.mean()))
    # 68 % of 50 within one error; fewer than 24 or more than 43 have a probability of 0.2 %.
    assert 24 <= np.sum(np.abs(errors) < 1) <= 43
    # What members have in common by chance is not in their differences.
    assert np.std(deviations) < 0.25 * np.mean(spreads)
    # Statistical errors, which are taken out, contain Student's factor.
    assert np.sqrt(np.mean(np.square(spreads))) == pytest.approx(np.std(exact, ddof=1), rel=0.06)


def test_equal_members_have_no_error_of_the_potential():
    trajectory = _samples(_STIFFNESS)
    (found,) = estimate_reweighted([_Square()], member_weights(_set(0.5, 0.5, 0.5), trajectory))
    assert found.potential_error == pytest.approx(0, abs=1e-12)
    assert found.statistical_error > 0


def test_weights_of_members_count():
    trajectory = _samples(_STIFFNESS, 4000)
    (found,) = estimate_reweighted([_Square()], member_weights(_set(0.47, 0.53, 0.53, weights=[2, 1, 1]), trajectory))
    assert found.value == pytest.approx(found.members @ [0.5, 0.25, 0.25])
    assert found.potential_error == pytest.approx(
        np.sqrt([0.5, 0.25, 0.25] @ (found.members - found.value) ** 2 * 8 / 3 / (8 / 3 - 1)), rel=0.02
    )


def test_functions_of_averages_get_their_errors_by_the_delta_method():
    stiffnesses = np.array([0.48, 0.52])
    exact = 2 * stiffnesses / _KT
    inside = 0
    for seed in range(60):
        frames = member_weights(_set(*stiffnesses), _samples(_STIFFNESS, 400, seed))
        (found,) = estimate_reweighted([_InverseSquare()], frames)
        inside += abs(found.value - exact.mean()) < found.statistical_error
    # Of 60 with 68 %: fewer than 30 or more than 51 have a probability of 0.2 %.
    assert 30 <= inside <= 51


def test_the_first_order_is_that_of_the_expansion():
    """<x²> − β Δk cov(x², x²) = <x²> (1 − Δk/k), and its errors hold."""
    change, inside, values = 0.04, 0, []
    exact = _KT / 2 / _STIFFNESS * np.array([1 - change / _STIFFNESS, 1 + change / _STIFFNESS])
    potentials = _set(_STIFFNESS + change, _STIFFNESS - change)
    for seed in range(50):
        frames = member_weights(potentials, _samples(_STIFFNESS, 400, seed))
        (found,) = estimate_reweighted([_Square()], frames, first_order=True)
        values.append(found.members)
        inside += abs(found.value - exact.mean()) < found.statistical_error
    # The mean of 50 has an error of 1 %.
    assert np.mean(values, axis=0) == pytest.approx(exact, rel=0.03)
    assert 24 <= inside <= 43


def test_pressures_are_those_of_each_member_as_single_reweighting_has_them():
    argon = Structure.from_ase(bulk("Ar", "fcc", a=5.6, cubic=True).repeat(2))
    atoms = argon.number_of_atoms
    random = np.random.default_rng(1)
    positions = argon.positions + 0.1 * random.standard_normal((40, atoms, 3))
    driver, *members = (LennardJones(epsilon=e, sigma=3.4, cutoff=5.0) for e in (0.0104, 0.0100, 0.0108))
    frames = Frames(argon.species, argon.masses, positions, argon.cell, [True] * 3)
    trajectory = replace(Trajectory.of_frames(frames, temperature=80.0), velocities=np.zeros((1, 40, atoms, 3)))
    weighted = member_weights(PotentialSet.of(members), trajectory, made_by=driver)
    (found,) = estimate_reweighted([Pressure()], weighted)
    for value, member in zip(found.members, members, strict=True):
        single = reweight(trajectory, member, made_by=driver, observables=[Pressure()])
        assert value == pytest.approx(float(single.average(0).value), rel=1e-4)


def test_simulations_of_members_and_their_errors_apart():
    stiffnesses = np.array([0.3, 0.6, 0.9, 1.2])
    simulations = simulate_members(_set(*stiffnesses), _plan(replicas=8), _KEY)
    (found,) = estimate_simulated([_Square()], simulations)
    exact = _KT / 2 / stiffnesses
    errors = np.array([single_estimate(_Square(), one).standard_error for one in simulations.trajectories.values()])
    # Each of four within four of its errors, which are those of simulations of their own.
    assert np.all(np.abs(found.members - exact) < 4 * errors)
    assert found.statistical_error == pytest.approx(np.sqrt(np.sum(errors**2)) / 4)
    assert found.potential_error == pytest.approx(np.std(exact, ddof=1), rel=0.15)
    assert not found.exploded
    assert not found.warnings


def test_members_that_explode_are_counted_and_told(tmp_path):
    potentials = _set(0.5, 0.6, 4e6, 0.7)
    simulations = simulate_members(potentials, _plan(duration="1 ps"), _KEY, out=tmp_path)
    assert sorted(simulations.exploded) == [2]
    assert "explodes" in simulations.exploded[2]
    (found,) = estimate_simulated([_Square()], simulations)
    assert found.exploded == (2,)
    assert len(found.members) == 3
    assert "1 of 4 members exploded (members 2)" in str(found)
    again = simulate_members(potentials, _plan(duration="1 ps"), _KEY, out=tmp_path)
    assert sorted(again.exploded) == [2]
    assert np.array_equal(again.trajectories[0].positions, simulations.trajectories[0].positions)


def test_workers_find_the_same_members(tmp_path):
    potentials, plan = _set(0.5, 4e6, 0.7), _plan(duration="0.4 ps", equilibrate="0 ps")
    here = simulate_members(potentials, plan, _KEY)
    with local_executor(2) as executor:
        there = simulate_members(potentials, plan, _KEY, out=tmp_path, executor=executor)
    assert sorted(there.exploded) == [1]
    for member in (0, 2):
        assert np.array_equal(there.trajectories[member].positions, here.trajectories[member].positions)


def test_side_by_side_is_the_same_and_falls_back_when_one_explodes(tmp_path, caplog):
    stiffnesses = np.array([0.3, 0.6, 1.2])
    plan = _plan(replicas=4)
    simulations = simulate_members(_set(*stiffnesses), plan, _KEY, out=tmp_path, side_by_side=True)
    assert [one.replicas for one in simulations.trajectories.values()] == [4, 4, 4]
    (found,) = estimate_simulated([_Square()], simulations)
    errors = np.array([single_estimate(_Square(), one).standard_error for one in simulations.trajectories.values()])
    assert np.all(np.abs(found.members - _KT / 2 / stiffnesses) < 4 * errors)
    for member, trajectory in simulations.trajectories.items():
        expected = stiffnesses[member] * trajectory.positions[..., 0, 0].astype(np.float64) ** 2
        np.testing.assert_allclose(trajectory.potential_energies, expected, rtol=1e-4, atol=1e-9)
    assert not caplog.records
    one_by_one = simulate_members(_set(0.5, 4e6, 0.7), _plan(duration="1 ps"), _KEY, side_by_side=True)
    assert sorted(one_by_one.exploded) == [1]
    assert "they are simulated one by one" in caplog.text


def test_one_member_that_holds_is_too_few():
    simulations = simulate_members(_set(0.5, 4e6), _plan(duration="1 ps"), _KEY)
    with pytest.raises(ObservableError, match=r"1 member of the set.*1 exploded"):
        estimate_simulated([_Square()], simulations)


def test_auto_reweights_where_members_agree_and_simulates_where_they_do_not(caplog):
    near = estimate(_Square(), _set(0.49, 0.51), _plan(), _KEY)
    assert near.simulations is None
    assert near.estimates[0].method == "reweighting"
    far = estimate(_Square(), _set(0.1, 5.0), _plan(duration="2 ps"), _KEY, made_by=_spring(5.0))
    assert far.simulations is not None
    assert far.estimates[0].method == "simulations"
    assert "Reweighting is not sound (member 0" in caplog.text
    forced = estimate(_Square(), _set(0.1, 5.0), _plan(duration="2 ps"), _KEY, made_by=_spring(5.0), way="reweight")
    assert any("collapsed" in one or "tail" in one for one in forced.estimates[0].warnings)


def test_what_needs_the_order_of_frames_is_simulated():
    diffusion = MeanSquareDisplacement(max_lag="0.1 ps")
    found = estimate(diffusion, _set(0.49, 0.51), _plan(duration="4 ps", replicas=2), _KEY)
    assert found.estimates[0].method == "simulations"
    assert found.reweighted is None
    with pytest.raises(ReweightingError, match="simulate each member"):
        estimate(diffusion, _set(0.49, 0.51), _plan(duration="4 ps"), _KEY, way="reweight")


def test_bad_input():
    with pytest.raises(ObservableError, match="is no set of potentials"):
        estimate(_Square(), _spring(0.5), _plan(), _KEY)
    with pytest.raises(ObservableError, match=r"way is one of 'auto', 'simulate'.*not 'simulation'"):
        estimate(_Square(), _set(0.49, 0.51), _plan(), _KEY, way="simulation")
    at = StatePoint(Structure.in_open_space([[0.1, 0, 0]], masses=1.0), "300 K")
    plan = SimulationPlan(at, NVE("1 fs"), duration="1 ps", every="20 fs")
    with pytest.raises(ReweightingError, match="no Boltzmann weights"):
        estimate(_Square(), _set(0.49, 0.51), plan, _KEY, way="reweight")


def test_a_cell_that_becomes_too_small_is_an_explosion(monkeypatch):
    def run(plan, potential, key, out=None, show_progress=False):
        raise NeighborListError("The cell is smaller than twice the cutoff.")

    monkeypatch.setattr(SimulationPlan, "run", run)
    found = simulate_members(_set(0.5, 0.6), _plan(), _KEY, side_by_side=True)
    assert found.exploded == dict.fromkeys((0, 1), "The cell is smaller than twice the cutoff.")


def test_all_weight_on_one_member_is_too_little():
    with pytest.raises(ObservableError, match="all weight is on one member"):
        UncertainEstimate.of("x", np.arange(3.0), np.ones(3), independent=True, weights=np.array([1.0, 0.0, 0.0]))
    with pytest.raises(PotentialError, match="as many finite numbers"):
        _set(0.5, 0.6, weights=[1.0, np.inf])


@pytest.mark.parametrize("members", [2, 8])
def test_noise_of_members_that_share_a_trajectory_is_taken_out(members):
    """Members that are equal but for noise: their scatter, with S − 1, is that noise on average, and what is left is 0.

    Their variance 1 is that of single members; differences from the mean have 1 − 1/S.
    """
    values = np.random.default_rng(1).normal(0, 1, (members, 2000))
    apart = np.full(values.shape, np.sqrt(1 - 1 / members))
    statistical = np.full(2000, members**-0.5)
    found = UncertainEstimate.of("x", values, apart, independent=False, statistical_error=statistical)
    expected = np.sqrt(np.maximum(np.var(values, axis=0, ddof=1) - 1, 0))
    np.testing.assert_allclose(found.potential_error, expected, atol=1e-7)


def test_the_interval_joins_both_errors():
    found = UncertainEstimate.of("x", np.arange(8.0), np.full(8, 0.5), independent=True)
    low, high = found.interval()
    noise, scatter = 0.5 / np.sqrt(8), np.sqrt(np.var(np.arange(8.0), ddof=1) - 0.25)
    half = np.hypot(2.508 * scatter, 1.96 * noise)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-3)
    assert found.holds(3.5)
    assert not found.holds(3.5 + 1.01 * half)


def test_noise_as_large_as_the_spread_is_told():
    random = np.random.default_rng(0)
    found = UncertainEstimate.of("x", random.normal(0, 1, 8), np.full(8, 1.0), independent=True)
    assert "simulate longer" in found.warnings[0]
