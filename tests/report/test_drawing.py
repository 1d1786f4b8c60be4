"""Figures that are data, drawn."""

import json

import pytest
from matplotlib.figure import Figure as Picture

from mdfit.errors import CheckpointError
from mdfit.recipes.figures import Figure, Plot, Series, read_figure, write_figure
from mdfit.report.drawing import panels_of
from mdfit.report.figures import picture


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


def kept(folder, **plot):
    """A figure of one plot as it is read back."""
    document = {"plots": [{"title": "t", "x": "x", "y": "y", **plot}]}
    (folder / "figure.json").write_text(json.dumps(document))
    return read_figure(folder / "figure.json")


LINE = {"x": [1.0, 2.0], "y": [1.0, 2.0]}
SURFACE = {"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0], "values": [[1.0], [2.0]]}


@pytest.mark.parametrize(
    "plot",
    [
        {"series": [{**LINE, "error": [-1.0, 1.0], "style": "points"}]},
        {"series": [{**LINE, "target": 1e308}]},
        {"series": [LINE], "levels": {"a": -1e308}},
        {"series": [LINE], "x_limits": [10**400, None]},
        {"surface": {**SURFACE, "x": [0.0, None, 2.0]}},
        {"surface": {**SURFACE, "limits": [2.0, 1.0]}},
    ],
)
def test_figures_that_cannot_be_drawn_are_damaged(tmp_path, plot):
    with pytest.raises(CheckpointError, match=r"figure\.json is damaged"):
        kept(tmp_path, **plot)


EDGES = (1e308, -1e308, 1e30, 1e-320, 0.0, None)


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("style", ["line", "points", "bars"])
@pytest.mark.filterwarnings("ignore:Attempt to set non-positive", "ignore:Data has no positive values")
def test_whatever_is_read_can_be_drawn(tmp_path, scale, style):
    plots = [
        {"series": [{"x": EDGES, "y": EDGES[::-1], "error": [abs(e or 0) for e in EDGES], "style": style}]},
        {"series": [{**LINE, "style": style}], "x_limits": [-1e308, 1e308], "y_limits": [-1e30, 1e30]},
        {"series": [{"x": [], "y": [], "style": style}]},
        {"series": [{"x": [None], "y": [None], "style": style}]},
    ]
    for plot in plots:
        (panel,) = panels_of("name", kept(tmp_path, **plot, y_scale=scale))
        assert picture(panel).source


@pytest.mark.parametrize("values", [[[None], [None]], [[1e30], [-1e30]], [[1e308], [1.0]]])
def test_surfaces_of_extremes_are_drawn(tmp_path, values):
    (panel,) = panels_of("name", kept(tmp_path, surface={**SURFACE, "values": values}))
    assert picture(panel).source
    write_figure(tmp_path / "again.json", kept(tmp_path, surface=SURFACE))
