"""The documentation says what the code does."""

import ast
import importlib.util
import itertools
import re
import sys
from pathlib import Path

import pytest

import mdfit

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def messages() -> str:
    """Every string of the package and of the Makefile, with variable parts as line breaks."""
    texts = [(ROOT / "Makefile").read_text(encoding="utf-8")]
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(texts)


def test_troubleshooting_has_every_error():
    from mdfit.errors import MdfitError

    headings = set(re.findall(r"^## (\w+Error)$", page("troubleshooting.md"), re.MULTILINE))
    assert headings == {error.__name__ for error in MdfitError.__subclasses__()}


def test_troubleshooting_quotes_messages_that_exist(messages):
    # The first is the system's, the second pydantic's; the dimension in the third is filled in.
    foreign = {
        "libmpi.so.12: cannot open shared object file",
        "Input should be",
        "which is an energy, but a length is needed",
    }
    terms = re.findall(r"^(`.*`)\n: ", page("troubleshooting.md"), re.MULTILINE)
    assert len(terms) > 50
    for term in terms:
        for quoted in re.findall(r"`([^`]+)`", term):
            for fragment in filter(None, (part.strip(" ()'") for part in quoted.split("…"))):
                assert fragment in messages or fragment in foreign, f"no message has {fragment!r}"


def test_every_room_has_a_page_of_reference():
    rooms = {path.parent.name for path in (ROOT / "src" / "mdfit").glob("*/__init__.py")} - {"cli"}
    modules = {"errors", "registry", "units"}
    pages = {path.stem for path in (DOCS / "reference").glob("*.md")} - {"index"}
    assert pages == rooms | modules
    assert all(f"\n{page}\n" in (DOCS / "reference" / "index.md").read_text("utf-8") for page in pages)


def test_reference_of_recipes_is_that_of_the_schema():
    path = DOCS / "update_recipe_reference.py"
    specification = importlib.util.spec_from_file_location("update_recipe_reference", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    assert "`learning_rate`" in module.reference()
    assert page("recipes.md") == module.page_with_reference(page("recipes.md")), f"run python {path}"


def test_example_recipe_is_valid(tmp_path):
    from mdfit.recipes import load_recipe

    (tmp_path / "data").mkdir()
    for name in ("Si_train", "Si_test"):
        (tmp_path / "data" / f"{name}.extxyz").touch()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page("recipes.md"), re.DOTALL | re.MULTILINE)
    (tmp_path / "recipe.yaml").write_text(example, encoding="utf-8")
    assert load_recipe(tmp_path, "demo").recipe.training.epochs == 25


def test_potential_of_your_own_passes_the_contract():
    source = "\n".join(python_blocks(page("choosing_a_potential.md")))
    assert "check_potential(Morse())" in source
    exec(compile(source, "choosing_a_potential.md", "exec"), {"__name__": "__main__"})


def test_table_of_observables_is_complete():
    from mdfit import observables

    table = page("simulation.md").split("## Observables")[1]
    helpers = {"Observable", "TrajectoryObservable", "Snapshot", "Estimate", "BlockAverages"}
    for name in observables.__all__:
        if name[0].isupper() and name not in helpers:
            assert f"`{name}`" in table, name


def test_every_dependency_has_its_reason():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    for requirement in required:
        name = re.match(r"[\w-]+", requirement).group()
        assert name == "mdfit" or re.search(rf"\b{name}\b", page("dependencies.md"), re.IGNORECASE), name


def test_every_room_is_an_attribute_of_the_package():
    rooms = {path.parent.name for path in (ROOT / "src" / "mdfit").glob("*/__init__.py")} - {"cli", "storage"}
    assert rooms <= set(dir(mdfit))
    assert [mdfit.training, mdfit.structure] == [sys.modules["mdfit.training"], sys.modules["mdfit.structure"]]
