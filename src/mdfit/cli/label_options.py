"""Options of all commands that read labelled data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_KINDS = {
    "energy": "Name of the energies in the file.",
    "forces": "Name of the forces in the file.",
    "stress": "Name of the stresses in the file (tension positive).",
    "virial": "Name of virials in the file, W = −V σ in eV (compression positive), instead of stresses.",
}


def label_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds ``--energy-key``, ``--forces-key``, ``--stress-key`` and ``--virial-key``."""
    for kind, text in reversed(_KINDS.items()):
        command = click.option(f"--{kind}-key", default=None, help=text)(command)
    return command
