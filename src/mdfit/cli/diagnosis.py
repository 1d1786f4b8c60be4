"""Is an installation sound?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mdfit.cli.environment import allocator_advice
from mdfit.provenance import environment

#: Cohesive energy of Stillinger–Weber silicon at its lattice constant: −2ε, by construction.
_SILICON = -2 * 2.1683


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis."""

    good: bool
    text: str


def diagnose() -> Iterator[Finding]:
    """Versions, devices, a calculation with a known answer on every path that energies take."""
    facts = environment()
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    yield Finding(True, f"mdfit {facts['mdfit']}, Python {facts['python']}")
    yield Finding(True, packages)
    yield _jax_version(facts["packages"]["jax"])
    yield Finding(True, f"{facts['machine']['processor']}, {facts['machine']['cores']} cores")
    yield Finding(True, f"devices: {', '.join(facts['machine']['devices'])}")
    yield Finding(True, allocator_advice())
    yield _energy()


def _jax_version(version: str) -> Finding:
    bad = {"0.10.2": "miscompiles on CPUs", "0.11.1": "runs loops in quadratic time"}
    if version in bad:
        return Finding(False, f"jax {version} {bad[version]}; install another version, for instance jax==0.10.1")
    return Finding(True, f"jax {version} has no known defect that matters here")


def _energy() -> Finding:
    from ase.build import bulk

    from mdfit.graph import build_graph
    from mdfit.potentials import StillingerWeber, evaluate
    from mdfit.structure import Structure

    potential = StillingerWeber.silicon()
    # The nearest-neighbour distance of the ideal crystal is 2^(1/6) σ.
    lattice_constant = 4 / 3**0.5 * 2 ** (1 / 6) * potential.sigma
    structure = Structure.from_ase(bulk("Si", "diamond", a=lattice_constant, cubic=True))
    prediction = evaluate(potential, build_graph(structure, potential.cutoff))
    energy = float(prediction.energy[0]) / structure.number_of_atoms
    return Finding(
        abs(energy - _SILICON) < 1e-4,
        f"Stillinger–Weber silicon: {energy:.5f} eV/atom (exact: {_SILICON:.5f})",
    )
