"""The report of a run: one self-contained HTML page, and small results that can be committed."""

from mdfit.report.results import save_small_plots, write_results
from mdfit.report.script_results import write_script_results
from mdfit.report.seeds_results import write_run_results, write_seeds_results
from mdfit.report.writing import group_lines, write_report

__all__ = [
    "group_lines",
    "save_small_plots",
    "write_report",
    "write_results",
    "write_run_results",
    "write_script_results",
    "write_seeds_results",
]
