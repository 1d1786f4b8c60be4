"""Molecular dynamics with jax-md's integrators, embedded in this program: the default engine."""

from mdfit.simulate.jax_md.engine import JaxMD
from mdfit.simulate.jax_md.integrators import integrator

__all__ = ["JaxMD", "integrator"]
