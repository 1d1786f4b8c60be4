"""Recipes: a short YAML file from data to potential, simulations, metrics and report; or a Python program."""

from mdfit.recipes.loading import LoadedRecipe, load_recipe, load_resolved
from mdfit.recipes.metrics import Metric, read_metrics
from mdfit.recipes.runner import resume_run, run_recipe
from mdfit.recipes.script import Request, is_script, load_script, resume_script, run_script

__all__ = [
    "LoadedRecipe",
    "Metric",
    "Request",
    "is_script",
    "load_recipe",
    "load_resolved",
    "load_script",
    "read_metrics",
    "resume_run",
    "resume_script",
    "run_recipe",
    "run_script",
]
