"""Ways to train, as sizes of a recipe, and the plots of their course."""

import numpy as np
import pytest
from ase.build import bulk

from mdfit.measurements import Measurement
from mdfit.observables import PotentialEnergy
from mdfit.potentials import ExternalPolynomial, LennardJones, labelled_by, predict
from mdfit.recipes import Descent, Request, Reweighting, Sampling, course_plot, learning_plots
from mdfit.simulate import Langevin, StatePoint
from mdfit.structure import Structure

ARGON = LennardJones(0.0104, 3.4, 7.0)


@pytest.mark.parametrize(("schedule", "half"), [("exponential", 0.02), ("quadratic", 0.0515), ("cosine", 0.101)])
def test_rates_fall_from_the_first_to_the_last(schedule, half):
    rate = Descent(100, (0.2, 0.002), schedule=schedule).rate
    assert [float(rate(step)) for step in (0, 50, 100)] == pytest.approx([0.2, half, 0.002])


def test_reweighting_learns_the_terms_that_are_not_fixed(tmp_path):
    at = StatePoint(Structure.in_open_space(np.zeros((20, 3))), 300.0)
    start = ExternalPolynomial(0, 0.0, [0.0, 0.0, 0.5]) + ExternalPolynomial(0, 0.0, [0.0, 0.0, 0.5])
    method = Reweighting(Descent(2, (0.05, 0.05)), Sampling("0.5 ps", "0.1 ps", "50 fs"), fewest_samples=0.0)
    target = Measurement(PotentialEnergy(), 1.0, at, weight=1.0)
    request = Request("small", 0, tmp_path, show_progress=False)
    result = method.train(request, "field", start, [target], Langevin("1 fs", "10 /ps"), fixed=[-1])
    learned, kept = result.last.terms
    assert len(result.history) == 2
    assert np.any(np.asarray(learned.coefficients) != np.asarray(start.terms[0].coefficients))
    np.testing.assert_array_equal(kept.coefficients, start.terms[1].coefficients)


def test_labels_are_those_of_the_potential():
    structure = Structure.from_ase(bulk("Ar", a=5.4, cubic=True).repeat(3))
    (frame,) = labelled_by(ARGON, [structure])
    (expected,) = predict(ARGON, labelled_by(ARGON, [structure]))
    assert frame.energy == expected.energy
    np.testing.assert_array_equal(frame.forces, expected.forces)
    np.testing.assert_array_equal(frame.stress, expected.stress)


def test_courses_of_trainings_begin_where_the_one_before_ended():
    histories = {"first": [{"a": 1.0}, {"a": 2.0, "b": 3.0}], "then_more": [{}, {}, {"a": 4.0}]}
    plots = learning_plots(histories, {"a": "A", "b": "B", "c": "C"}, factors={"a": 10.0}, measured={"b": 5.0})
    assert [plot.title for plot in plots] == ["A", "B"]
    first, then = plots[0].series
    assert (first.x, first.y) == ((1.0, 2.0), (10.0, 20.0))
    assert (then.label, then.x, then.y) == ("then more", (3.0,), (40.0,))
    assert [series.label for series in plots[1].series] == ["first"]
    assert plots[1].levels == {"measured": pytest.approx(5.0)}


def test_columns_of_one_training_share_a_plot():
    history = [{"a": 1.0, "b": 2.0}, {"a": 3.0}]
    plot = course_plot(history, {"a": "A", "b": "B"}, "GPa", factor=2.0, targets={"a": 7.0})
    assert [(series.label, series.y, series.target) for series in plot.series] == [
        ("A", (2.0, 6.0), 7.0),
        ("B", (4.0,), None),
    ]
