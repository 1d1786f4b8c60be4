"""Figures that are data, drawn."""

from matplotlib.figure import Figure as Picture

from mdfit.recipes.figures import Figure, Plot, Series
from mdfit.report.drawing import panels_of


def drawn(plot: Plot):
    """The axes with a plot on them."""
    axes = Picture().subplots()
    (panel,) = panels_of("name", Figure(plots=[plot]))
    panel.draw(axes)
    return axes


def test_bars_stand_over_the_names_of_their_categories():
    bars = [Series(label=label, x=[0, 1], y=[1.0, 2.0], style="bars") for label in ("one", "two")]
    axes = drawn(Plot(title="t", x="", y="GPa", series=bars, categories=["C11", "C12"]))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["C11", "C12"]


def test_series_of_one_label_have_one_colour_and_one_entry():
    line = Series(label="model", x=[1, 2], y=[1.0, 2.0])
    points = Series(label="model", x=[1, 1, 2], y=[0.9, 1.1, 2.0], style="points")
    axes = drawn(Plot(title="t", x="x", y="y", series=[line, points, Series(label="other", x=[1], y=[1.0])]))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["model", "other"]
    assert axes.lines[0].get_color() == axes.lines[1].get_color()
