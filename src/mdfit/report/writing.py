"""Writing the report of any run."""

from __future__ import annotations

from pathlib import Path

from mdfit.report.page import render
from mdfit.report.recipe_page import group_tables, recipe_page
from mdfit.report.run_files import read_run
from mdfit.report.script_files import is_script_run, read_script_run
from mdfit.report.script_page import script_page
from mdfit.storage import write_text

#: The report's name within its run.
REPORT = "report.html"


def write_report(directory: str | Path) -> Path:
    """Writes ``report.html`` into the directory of a run, also of one that has not finished, or of committed results.

    Returns:
        The path of the report.

    Raises:
        RecipeError: when the directory holds no run.
        CheckpointError, ModelFileError: when one of its files is damaged.
        OutputError: when the report cannot be written.
    """
    directory = Path(directory)
    is_script = is_script_run(directory)
    page = script_page(read_script_run(directory)) if is_script else recipe_page(read_run(directory))
    path = directory / REPORT
    write_text(path, render(page))
    return path


def group_lines(directory: str | Path) -> str:
    """The errors of test sets by labels of their structures, as tables for the terminal; empty where there are none."""
    if is_script_run(directory):
        return ""
    tables = group_tables(read_run(directory))
    return "\n".join(f"\n{heading}\n{table.text}" for heading, table in tables.items())
