"""Is it the same model?"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mdfit.models.base import Model
from mdfit.storage import digest


def fingerprint(model: Model) -> str:
    """SHA-256 of class, settings and parameters, in hexadecimal digits.

    Models with the same fingerprint compute the same bit by bit on the same machine; saving and loading does
    not change it.
    """
    architecture = json.dumps(model.describe(), sort_keys=True, default=_name)
    return hashlib.sha256(f"{architecture} {digest(model)}".encode()).hexdigest()


def _name(setting: Any) -> str:
    # The representation of a function holds its address, which differs from process to process.
    return getattr(setting, "__qualname__", None) or repr(setting)
