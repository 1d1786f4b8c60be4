"""All results in one command, at one commit."""

import pytest

from mdfit.cli import reproduction
from mdfit.errors import RecipeError
from mdfit.recipes.gallery import list_recipes


def test_every_recipe_is_reproduced():
    assert set(reproduction.SEEDS) == {name for name, _, _ in list_recipes()}


def test_a_checkout_with_changes_or_of_another_commit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduction, "git_commit", lambda: "a+changes")
    with pytest.raises(RecipeError, match="Files differ from the commit"):
        reproduction.reproduce(["double_well"], "cpu", tmp_path / "runs", 1)
    started: list[list[str]] = []
    monkeypatch.setattr(reproduction, "run_mdfit", lambda arguments, log: started.append(arguments))
    for commit in ("a", "a", "b"):
        monkeypatch.setattr(reproduction, "git_commit", lambda commit=commit: commit)
        if commit == "b":
            with pytest.raises(RecipeError, match=r"begun at another commit \(a\)"):
                reproduction.reproduce(["double_well"], "cpu", tmp_path / "runs", 1)
        else:
            assert reproduction.reproduce(["double_well"], "cpu", tmp_path / "runs", 1) == []
    assert [arguments[-2:] for arguments in started] == 2 * [["--out", str(tmp_path / "runs" / "double_well")]]


def test_recipes_that_fail_are_named(tmp_path, monkeypatch, caplog):
    def fail(arguments, log):
        raise RecipeError(f"ended with status 1; {log} says why")

    monkeypatch.setattr(reproduction, "git_commit", lambda: "a")
    monkeypatch.setattr(reproduction, "run_mdfit", fail)
    assert reproduction.reproduce(["double_well"], "cpu", tmp_path / "runs", 1) == ["double_well"]
    assert "double_well ended with status 1" in caplog.text
