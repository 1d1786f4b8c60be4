"""Is it the same potential?"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mdfit.potentials.base import Potential
from mdfit.potentials.files import describe
from mdfit.storage import digest


def fingerprint(potential: Potential) -> str:
    """SHA-256 of class, settings and parameters, in hexadecimal digits.

    Potentials with the same fingerprint give the same energies bit by bit on the same machine; saving and loading does
    not change it.
    """
    architecture = json.dumps(describe(potential), sort_keys=True, default=_name)
    return hashlib.sha256(f"{architecture} {digest(potential)}".encode()).hexdigest()


def _name(setting: Any) -> str:
    # The representation of a function holds its address, which differs from process to process.
    return getattr(setting, "__qualname__", None) or repr(setting)
