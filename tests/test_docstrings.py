"""Every public class shows in its docstring what it is for, by an example that runs."""

import doctest
import importlib
import inspect
import sys

import pytest

ROOMS = (
    "structure",
    "data",
    "graph",
    "models",
    "potentials",
    "simulate",
    "engines",
    "observables",
    "measurements",
    "reweighting",
    "objectives",
    "training",
    "uncertainty",
    "properties",
    "testing",
    "farm",
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
#: Public classes without an example, by ``room.name``, each with the reason.
WITHOUT: dict[str, str] = {}


def public_classes(room: str) -> dict[str, type]:
    """Those of mdfit in ``__all__``, exceptions left out."""
    module = importlib.import_module(f"mdfit.{room}")
    public = {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in public.items()
        if inspect.isclass(value) and name[0].isupper() and not issubclass(value, BaseException)
    }


def examples_of(docstring: str | None) -> list[doctest.Example]:
    """The examples under the heading ``Example:``."""
    _, _, section = inspect.cleandoc(docstring or "").partition("\nExample:\n")
    return doctest.DocTestParser().get_examples(section)


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_class_has_an_example(room):
    # __dict__, since a docstring that is inherited tells nothing of the subclass.
    lacking = {
        f"{room}.{name}"
        for name, value in public_classes(room).items()
        if not any(example.want for example in examples_of(value.__dict__.get("__doc__")))
    }
    assert lacking == {name for name in WITHOUT if name.startswith(f"{room}.")}


@pytest.mark.parametrize("room", ROOMS)
def test_examples_run(room, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(verbose=False, optionflags=FLAGS)
    report: list[str] = []
    ran: set[str] = set()
    for module in sorted({value.__module__ for value in public_classes(room).values()}):
        # Without names of the module, so that an example can be pasted as it is, and as a script, as those of the pages.
        for test in doctest.DocTestFinder(exclude_empty=True).find(sys.modules[module], globs={"__name__": "__main__"}):
            runner.run(test, out=report.append)
            ran.add(test.name)
    assert not runner.failures, "".join(report)
    shown = {name: value for name, value in public_classes(room).items() if f"{room}.{name}" not in WITHOUT}
    assert {f"{value.__module__}.{value.__name__}" for value in shown.values()} <= ran
