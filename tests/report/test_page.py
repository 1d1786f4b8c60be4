"""The page of a run: what it shows is what the run has measured, and what is missing is left out."""

import html
import json
import re

import pytest
from click.testing import CliRunner

from mdfit.cli import main
from mdfit.errors import CheckpointError, RecipeError
from mdfit.report import write_report


def text(page: str) -> str:
    """The words of a page, without tags and pictures."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)))


def headings(page: str) -> list[str]:
    return [text(heading).strip() for heading in re.findall(r"<h2>(.*?)</h2>", page)]


@pytest.fixture(scope="module")
def page(finished_run):
    return write_report(finished_run).read_text(encoding="utf-8")


def test_sections_of_a_complete_run(page):
    assert headings(page) == [
        "Results",
        "Learning curves",
        "Test errors: test_300K",
        "Published errors",
        "Simulation: liquid",
        "Simulation: nve",
        "Equation of state",
        "Times",
    ]
    assert "not complete" not in page


def test_the_page_needs_no_other_file(page):
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 2 + 1 + 3 + 2 + 3 + 2 + 1  # learning, tests, groups, simulations, equation of state
    assert all(source.startswith(("data:image/svg+xml;base64,", "data:image/png;base64,")) for source in sources)
    assert not re.search(r"url\(|@import|<script|<link", page)


def test_titles_and_labels_are_escaped(page):
    assert "<h1>Carbide &amp; &lt;silicon&gt;</h1>" in page
    assert "surface &lt;100&gt;" in page


def test_metrics_stand_beside_their_references(page):
    words = text(page)
    assert "Lattice constant 5.46 Å 5.43 +0.03 (+0.6 %)" in words
    assert "C11 150 GPa 166 −16 (−9.6 %)" in words
    assert re.search(r"Force RMSE 0\.1 eV/Å", words)
    assert re.search(r"Temperature \d+\.\d ± \d\.\d K", words)


def test_conditions_check_recipe_and_provenance_are_shown(page):
    words = text(page)
    assert "Langevin at 300 K, 1 ps, time step 1 fs, 2 replicas." in words
    assert "stage wall time CPU time training 40 min 00 s 1 h 00 min simulation liquid 1 min 01 s 1 min 32 s" in words
    assert "properties 3.2 s 4.8 s together 41 min 05 s 1 h 01 min" in words
    assert "12 frames, 96 atoms (C 48, Si 48)" in words
    assert "rdf_maximum: 4.0" in words
    assert "seed: simulation nve 0" in words
    assert re.search(r"jax 0\.\d+", words)


def test_a_run_in_training_has_its_curves_and_says_so(started_run, write_training):
    write_training(started_run, 7)
    with (started_run / "fit" / "log.jsonl").open("a") as log:
        log.write('{"step": 80, "epo')
    page = write_report(started_run).read_text(encoding="utf-8")
    assert headings(page) == ["Learning curves"]
    assert "This run is not complete: 7 of 30 epochs of training are done." in page


def test_a_run_without_anything_yet(started_run):
    page = write_report(started_run).read_text(encoding="utf-8")
    assert headings(page) == []
    assert "0 of 30 epochs" in page


def test_a_truncated_file_is_named(started_run, finished_run, write_training):
    write_training(started_run, 30)
    content = (finished_run / "simulations" / "liquid.npz").read_bytes()
    (started_run / "simulations").mkdir()
    (started_run / "simulations" / "liquid.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r"liquid\.npz is damaged .*delete it and `mdfit resume` its run"):
        write_report(started_run)
    (started_run / "simulations" / "liquid.npz").unlink()
    page = write_report(started_run).read_text(encoding="utf-8")
    assert headings(page) == ["Learning curves"]
    assert "the training has ended" in page


def test_a_directory_that_is_no_run_is_one_sentence(tmp_path):
    with pytest.raises(RecipeError, match="is not the directory of a run"):
        write_report(tmp_path)
    outcome = CliRunner().invoke(main, ["report", str(tmp_path)])
    assert outcome.exit_code == 1
    assert "is not the directory of a run" in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.parametrize("content", ["{", json.dumps({"recipe": {"title": 3}}), json.dumps({"scale": None})])
def test_a_damaged_recipe_is_one_sentence(started_run, content):
    (started_run / "recipe.json").write_text(content)
    with pytest.raises(RecipeError, match=r"recipe\.json is damaged"):
        write_report(started_run)
