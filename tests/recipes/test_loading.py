"""Every mistake in a recipe is one sentence with its line."""

from pathlib import Path

import numpy as np
import pytest

from mdfit.errors import RecipeError
from mdfit.observables.estimate import FEWEST_FRAMES
from mdfit.recipes import is_script, load_recipe, load_resolved, load_script, schema
from mdfit.recipes.building import build_state_point
from mdfit.recipes.gallery import list_recipes
from mdfit.storage import parse_yaml
from mdfit.structure import Structure

WITH = "    sampler: NVE\n    "
GALLERY = Path(__file__).parents[2] / "recipes"

GOOD = """\
title: Test
data:
  train: train.extxyz
  tests: {test: train.extxyz}
potential:
  cutoff: 4.5 Å
  channels: 8
training:
  epochs: 3
  optimizer:
    learning_rate: 1.0e-3
simulations:
  first:
    structure: {file: train.extxyz}
    temperature: 300 K
    duration: 1 ps
  second:
    structure: {end_of: first}
    sampler: NVE
    duration: 1 ps
scales:
  demo:
    training:
      epochs: 1
      optimizer: {kind: adamw}
  bare:
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "train.extxyz").touch()

    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def message(path: Path, scale: str | None = None) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, scale)
    return str(caught.value)


def line_of(text: str, part: str) -> int:
    (number,) = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return number


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title: Test", "titel: Test\ntitle: Test", "unknown key 'titel'; did you mean 'title'?"),
        ("  channels: 8", "  chanels: 8", "unknown key 'potential.chanels'; did you mean 'channels'?"),
        ("learning_rate: 1", "learnig_rate: 1", "'training.optimizer.learnig_rate'; did you mean 'learning_rate'"),
        ("      epochs: 1", "      epoch: 1", "unknown key 'training.epoch'; did you mean 'epochs'?"),
        ("    sampler: NVE", "    samplr: NVE", "unknown key 'simulations.second.samplr'; did you mean 'sampler'?"),
        ("    sampler: NVE", "    sampler: Verlet", "'NVE', 'Langevin', 'Brownian', 'NoseHoover' or 'NPT', not 'Verlet'"),
        ("{kind: adamw}", "{kind: adamm}", "'adam', 'adamw', 'amsgrad' or 'sgd', not 'adamm'"),
        ("cutoff: 4.5 Å", "cutoff: 4.5 eV", "cutoff is '4.5 eV', which is an energy, but a length is needed"),
        ("cutoff: 4.5 Å", "cutoff: 4.5 parsnips", "'parsnips' is unknown"),
        ("cutoff: 4.5 Å", "cutoff: [4, 5]", "needs a number or a quantity such as '1 Å'"),
        ("cutoff: 4.5 Å", "cutoff: -4.5 Å", "'potential.cutoff': Input should be greater than 0 (given: '-4.5 Å')"),
        ("    sampler: NVE", "    friction: 0 /ps", "friction': Input should be greater than 0"),
        ("    sampler: NVE", "    equilibrate: -1 ps", "equilibrate': Input should be greater than or equal to 0"),
        ("  channels: 8", "  channels: 1", "greater than or equal to 2 (given: 1)"),
        ("  channels: 8", "  channels: many", "(given: 'many')"),
        ("  train: train.extxyz", "  train: nowhere.extxyz", "there is no file"),
        ("    structure: {file: train.extxyz}", "    structure: {}", "needs exactly one of file, crystal and end_of"),
        ("{end_of: first}", "{end_of: frist}", "which is no simulation above it; did you mean 'first'?"),
        ("  channels: 8", "  channels: 8\n  cutoff: 5 Å # twice", "the key 'cutoff' is there twice"),
        ("  bare:", "  bare: 3", "the scale 'bare' must be a mapping"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_line(write, old, new, expected):
    text = GOOD.replace(old, new)
    assert text != GOOD
    path = write(text)
    changed = new.splitlines()["twice" in new]
    found = message(path, "demo")
    assert found.startswith(f"{path} line {line_of(text, changed)}: "), found
    assert expected in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    sampler: NVE", "    sampler: NPT", "sampler NPT needs a pressure"),
        (
            "    sampler: NVE",
            "    sampler: Langevin",
            "the key 'temperature' is missing, for instance temperature: 300 K",
        ),
        (
            "    sampler: NVE",
            WITH + "temperature: 300 K",
            "temperature would be ignored by NVE, which goes on with the",
        ),
        ("    sampler: NVE", WITH + "seed: 3", "seed would be ignored by NVE"),
        (
            "    sampler: NVE",
            WITH + "replicas: 4",
            "the key 'temperature' is missing, for the velocities of each replica, for instance temperature: 300 K",
        ),
        ("    sampler: NVE", WITH + "friction: 3 /ps", "friction would be ignored by NVE"),
        ("    sampler: NVE", WITH + "pressure: 1 bar", "pressure would be ignored by NVE, which keeps the volume"),
        ("    sampler: NVE", WITH + "every: 0.7 fs", "every (0.7 fs) must be a multiple of timestep (1 fs)"),
        ("    sampler: NVE", WITH + "every: 0.2 ps", "give 5 frames, but error bars need at least 10"),
        ("    sampler: NVE", WITH + "timestep: 0 fs", "timestep must be positive"),
    ],
)
def test_contradictions_are_named_with_the_section(write, old, new, expected):
    text = GOOD.replace(old, new)
    found = message(write(text))
    assert f" line {line_of(text, '  second:')}: 'simulations.second': " in found
    assert expected in found


def test_keys_that_are_merged_may_be_overridden(write):
    text = GOOD.replace("  first:", "  first: &first").replace("  second:\n", "  second:\n    <<: *first\n")
    second = load_recipe(write(text.replace("sampler: NVE", "temperature: 30 K"))).recipe.simulations["second"]
    assert (second.temperature, second.structure.end_of) == (30, "first")


def test_replicas_of_nve_draw_their_velocities(write):
    """As the simulation does: with the velocities of one they would be copies."""
    text = GOOD.replace("    sampler: NVE", WITH + "replicas: 4\n    temperature: 200 K\n    seed: 3")
    simulation = load_recipe(write(text)).recipe.simulations["second"]
    moving = Structure([18], np.zeros((1, 3)), 5 * np.eye(3), [True] * 3, [39.9], velocities=np.ones((1, 3)))
    assert build_state_point(simulation, moving).temperature == 200


def test_several_mistakes_are_told_at_once(write):
    found = message(write(GOOD.replace("title: Test\n", "").replace("channels", "chanels"))).splitlines()
    assert len(found) == 2
    assert any("the key 'title' is missing" in line for line in found)


def test_missing_key_names_the_section(write):
    text = GOOD.replace("    sampler: NVE\n    duration: 1 ps\n", "    sampler: NVE\n")
    found = message(write(text))
    assert f"line {line_of(text, '  second:')}: the key 'simulations.second.duration' is missing" in found


@pytest.mark.parametrize("text", ["2e5", "1e-3", "-2E5", ".5e3", "1.5e+3", "1_0e2"])
def test_numbers_with_exponents_are_numbers(text):
    assert parse_yaml(f"value: {text}")[0] == {"value": float(text)}


@pytest.mark.parametrize("text", ["1e5x", "e5", "12e", "C12e4"])
def test_text_that_begins_like_a_number_stays_text(text):
    assert parse_yaml(f"value: {text}")[0] == {"value": text}


def test_broken_yaml(write):
    text = GOOD.replace("  channels: 8", "  channels: [8")
    found = message(write(text))
    assert "not valid YAML" in found
    assert "check the indentation and the colons" in found
    assert " line " in found


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_not_a_mapping(write, text):
    assert "it must be a YAML mapping with the keys title" in message(write(text))


def test_not_text(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    assert "is not text in UTF-8" in message(path)


def test_unknown_scale_and_missing_recipe(write, tmp_path):
    assert message(write(GOOD), "dmo").endswith("has no scale 'dmo': did you mean 'demo'?")
    assert "`mdfit recipes` lists those that come with mdfit" in message(tmp_path / "nothing.yaml")


def test_scales_change_single_values(write):
    plain, demo = load_recipe(write(GOOD)), load_recipe(write(GOOD), "demo")
    assert (plain.recipe.training.epochs, demo.recipe.training.epochs) == (3, 1)
    assert demo.recipe.training.optimizer.kind == "adamw"
    assert demo.recipe.training.optimizer.learning_rate == 1e-3  # of the recipe, not the default
    assert demo.recipe.potential == plain.recipe.potential
    assert load_recipe(write(GOOD), "bare").recipe == plain.recipe
    assert plain.recipe.simulations["first"].duration == 1000.0


def test_null_in_a_scale(write):
    text = GOOD.replace("      epochs: 1\n", "      average: null\n    simulations: {second: null}\n")
    recipe = load_recipe(write(text.replace("      optimizer: {kind: adamw}\n", "")), "demo").recipe
    assert recipe.training.average is None, "null is a value where the schema knows it"
    assert list(recipe.simulations) == ["first"]


def test_resolved_recipe_survives_and_damage_is_named(write, tmp_path):
    loaded = load_recipe(write(GOOD), "demo")
    loaded.write(tmp_path / "run")
    assert load_resolved(tmp_path / "run") == loaded
    (tmp_path / "run" / "recipe.json").write_text("{")
    with pytest.raises(RecipeError, match="damaged"):
        load_resolved(tmp_path / "run")
    with pytest.raises(RecipeError, match="is not the directory of a run"):
        load_resolved(tmp_path)


IN_YAML = [(name, scales) for name, _, scales in list_recipes() if not is_script(GALLERY / name)]
IN_PYTHON = [name for name, _, _ in list_recipes() if is_script(GALLERY / name)]


@pytest.mark.parametrize(("name", "scale"), [(name, scale) for name, scales in IN_YAML for scale in [None, *scales]])
def test_shipped_recipes_are_valid_at_every_scale(name, scale):
    recipe = load_recipe(GALLERY / name, scale).recipe
    assert recipe.data.tests
    assert recipe.training.epochs >= 10


@pytest.mark.parametrize("name", IN_PYTHON)
def test_shipped_programs_have_a_title_and_a_small_scale(name):
    script = load_script(GALLERY / name)
    assert {"cpu", "demo"} <= set(script.scales)
    assert (GALLERY / name / "README.md").read_text().startswith("# ")


def test_the_limit_of_frames_is_that_of_error_bars():
    assert schema.FEWEST_FRAMES == FEWEST_FRAMES


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    "name", ["../../victim", "/tmp/victim", "a/b", ".hidden", "..", "'a b'", '"a\\nb"', "é", "x" * 101]
)
def test_names_become_files_and_must_not_lead_elsewhere(write, name):
    for text in (replaced("  first:", f"  {name}:"), replaced("tests: {test:", f"tests: {{{name}:")):
        assert "becomes that of a file; use up to 100 letters" in message(write(text))
    assert "becomes that of a file" in message(write(replaced("  demo:", f"  {name}:")))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  epochs: 3", "  epochs: 1.0e+30", "training.epochs"),
        ("  epochs: 3", "  epochs: true", "training.epochs': must not be true"),
        ("  epochs: 3", "  epochs: .inf", "training.epochs"),
        ("  epochs: 3", "  epochs: 3\n  seed: -1", "training.seed"),
        ("  epochs: 3", "  epochs: 3\n  seed: 1180591620717411303424", "training.seed"),
        ("  epochs: 3", "  epochs: 3\n  energy: .nan", "training.energy"),
        ("  epochs: 3", "  epochs: 3\n  energy: 0\n  forces: 0", "must not all be 0"),
        ("  epochs: 3", "  epochs: 3\n  huber_delta: 0.2", "huber_delta would be ignored by squared errors"),
        ("  channels: 8", "  channels: 1000000000", "potential.channels"),
        ("  channels: 8", "  channels: true", "potential.channels': must not be true"),
        ("  channels: 8", "  layers: 10000", "potential.layers"),
        ("  channels: 8", "  seed: 4294967296", "potential.seed"),
        ("  cutoff: 4.5 Å", "  cutoff: 1e300 Å", "potential.cutoff"),
        ("    learning_rate: 1.0e-3", "    learning_rate: 1e300", "learning_rate"),
        ("    learning_rate: 1.0e-3", "    weight_decay: 0.1", "weight_decay would be ignored by adam"),
        ("    structure: {file: train.extxyz}", "    structure: {file: train.extxyz}\n    replicas: 1e9", "replicas"),
        ("    temperature: 300 K", "    temperature: 1e300 K", "temperature"),
        ("    temperature: 300 K", "    temperature: true", "temperature"),
        ("    duration: 1 ps\n  second", "    duration: 1e300 ps\n  second", "duration"),
        ("    structure: {file: train.extxyz}",
         "    structure: {crystal: {element: Si, lattice: diamond, a: 5, repeat: [1, 2, 100000]}}", "repeat"),
        ("    structure: {file: train.extxyz}",
         "    structure: {crystal: {element: Si, lattice: diamond, a: 5, repeat: [1, 2, true]}}", "must not be true"),
        ("    structure: {end_of: first}", "    structure: {end_of: first, index: 3}", "index would be ignored"),
        ("  tests: {test: train.extxyz}", "  test_every: 3", "test_every would be ignored without tests"),
        ("  tests: {test: train.extxyz}", "  stress_key: s\n  virial_key: v", "stress_key and virial_key name the same"),
        ("  cutoff: 4.5 Å", f"  cutoff: 1{'0' * 400}", "potential.cutoff': int too large"),
        ("    temperature: 300 K\n    duration: 1 ps",
         "    temperature: 300 K\n    duration: 1e12\n    timestep: 1e-300\n    every: 1e-300", "1e-06 fs or more"),
        ("title: Test", "title: Test\nproperties: {crystal: {element: Si, lattice: fcc, a: 5}, reference: {static/C99: 1}}",
         "the reference static/C99 is of no static property; did you mean 'static/C"),
        ("title: Test", "title: Test\nproperties: {crystal: {element: Si, lattice: fcc, a: 5}, relax: false,"
         " elastic_constants: false, equation_of_state: false}", "are all false; leave the section out"),
        ("  tests: {test: train.extxyz}", "  validation: train.extxyz\n  split_seed: 3", "split_seed would be ignored"),
    ],
)  # fmt: skip
def test_numbers_have_bounds_and_nothing_is_ignored(write, old, new, expected):
    found = message(write(replaced(old, new)))
    assert expected in found
    assert "\n" not in found
    assert "line " in found


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BOMB, "it stands for more than 200000 values, with its aliases"),
        (MERGES, "it stands for more than 200000 values, with its aliases"),
        ("title: &a [*a]\n", "an alias stands inside what it refers to"),
        ("title: &a {data: *a}\n", "an alias stands inside what it refers to"),
        ("title: " + "[" * 100 + "]" * 100, "nested more than 64 levels deep"),
        ("title: " + "[" * 20_000, "nested more than 64 levels deep"),
        ("title: 2026-13-45\n", "put text into quotation marks"),
        ("title: !!bool x\n", "put text into quotation marks"),
        ("title: !!timestamp x\n", "put text into quotation marks"),
        ("title: !!int ''\n", "put text into quotation marks"),
        ("".join(f"k{number}: 1\n" for number in range(150_000)), "it is larger than 256 kB"),
        ("title: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    ],
)
def test_hostile_yaml_is_refused_at_once(write, text, expected):
    import time

    began = time.monotonic()
    assert expected in message(write(text))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("old", "words"), [("{test: train.extxyz}", "there is no file"), ("4.5 Å", "'potential.cutoff'")]
)
def test_long_values_do_not_make_long_messages(write, old, words):
    found = message(write(GOOD.replace(old, "x" * 5000 if "Å" in old else "{test: " + "x" * 5000 + "}")))
    assert words in found
    assert len(found) < 800


def test_halves_of_characters_are_refused(write):
    assert "half of a character" in message(write(GOOD.replace("title: Test", 'title: "\\ud800"')))


def test_aliases_may_be_used(write):
    text = GOOD.replace("optimizer:\n    learning_rate: 1.0e-3", "optimizer: &o\n    learning_rate: 1.0e-3")
    text = text.replace("optimizer: {kind: adamw}", "optimizer: *o")
    assert load_recipe(write(text), "demo").recipe.training.optimizer.learning_rate == 1e-3


def test_byte_order_mark(write, tmp_path):
    (tmp_path / "recipe.yaml").write_text("\ufeff" + GOOD, encoding="utf-8")
    assert load_recipe(tmp_path / "recipe.yaml").recipe.title == "Test"
