"""Recipes: a short YAML file from data to potential, simulations, metrics and report."""

from mdfit.recipes.loading import LoadedRecipe, load_recipe, load_resolved
from mdfit.recipes.metrics import Metric, read_metrics
from mdfit.recipes.runner import resume_run, run_recipe

__all__ = ["LoadedRecipe", "Metric", "load_recipe", "load_resolved", "read_metrics", "resume_run", "run_recipe"]
