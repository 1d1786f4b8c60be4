"""Metrics as text."""

from __future__ import annotations

import math

from mdfit.recipes.metrics import Metric, Metrics


def metrics_table(metrics: Metrics) -> str:
    """One line per metric: name, value ± standard error, unit; then the warnings, each with the metrics it is about."""
    width = max((len(name) for name in metrics), default=0)
    lines = [f"{name:<{width}}  {with_error(metric)}" for name, metric in metrics.items()]
    return "\n".join(lines + warning_lines(metrics))


def warning_lines(metrics: Metrics) -> list[str]:
    """``warning: <what> (<metrics>)``, equal warnings once."""
    about: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        if metric.warning:
            about.setdefault(metric.warning, []).append(name)
    return [f"warning: {warning} ({', '.join(names)})" for warning, names in about.items()]


def with_error(metric: Metric) -> str:
    """A value with as many digits as its errors support: the standard error, and the potential's where it is known."""
    own, of_potential = _known(metric.standard_error), _known(metric.potential_error)
    errors = [error for error in (own, of_potential) if error is not None]
    if not errors:
        return f"{metric.value:.4g} {metric.unit}"
    digits = max(0, 1 - math.floor(math.log10(min(errors))))
    text = f"{metric.value:.{digits}f}" + ("" if own is None else f" ± {own:.{digits}f}")
    text += "" if of_potential is None else f" ± {of_potential:.{digits}f} (potential)"
    return f"{text} {metric.unit}"


def _known(error: float | None) -> float | None:
    return None if error is None or not math.isfinite(error) or error <= 0 else error
