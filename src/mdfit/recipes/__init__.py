"""Recipes: a short YAML file from data to potential, simulations, metrics and report; or a Python program."""

from mdfit.recipes.comparison import density_deviations, deviations
from mdfit.recipes.figures import Plot, Series, Surface, history_series, metric_series
from mdfit.recipes.loading import LoadedRecipe, load_recipe, load_resolved
from mdfit.recipes.methods import Descent, Entropy, Matching, Reweighting, short_memory_adam
from mdfit.recipes.metrics import Metric, Metrics, against, components, estimated, read_metrics
from mdfit.recipes.plots import course_plot, free_energy_profile, free_energy_surfaces, learning_plots, sweep_plot
from mdfit.recipes.request import Request, Sampling
from mdfit.recipes.runner import resume_run, run_recipe
from mdfit.recipes.script import is_script, load_script, run_script
from mdfit.recipes.script_resume import resume_script
from mdfit.recipes.speed import nanoseconds_per_day

__all__ = [
    "Descent",
    "Entropy",
    "LoadedRecipe",
    "Matching",
    "Metric",
    "Metrics",
    "Plot",
    "Request",
    "Reweighting",
    "Sampling",
    "Series",
    "Surface",
    "against",
    "components",
    "course_plot",
    "density_deviations",
    "deviations",
    "estimated",
    "free_energy_profile",
    "free_energy_surfaces",
    "history_series",
    "is_script",
    "learning_plots",
    "load_recipe",
    "load_resolved",
    "load_script",
    "metric_series",
    "nanoseconds_per_day",
    "read_metrics",
    "resume_run",
    "resume_script",
    "run_recipe",
    "run_script",
    "short_memory_adam",
    "sweep_plot",
]
