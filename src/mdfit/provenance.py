"""Where results come from: versions, hardware, date, git commit."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter

from mdfit._version import __version__
from mdfit.storage import Document

_PACKAGES = ("jax", "jaxlib", "jax-md", "equinox", "optax", "numpy", "ase", "vesin")


class _Machine(Document):
    """What is shown of a machine."""

    model_config = ConfigDict(extra="allow")

    processor: str = "unknown"
    cores: int | None = None
    devices: list[str] = Field(default_factory=list)


class _Environment(Document):
    """What is shown of an environment."""

    model_config = ConfigDict(extra="allow")

    date: str = "unknown"
    mdfit: str = "?"
    git_commit: str | None = None
    machine: _Machine = _Machine()


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    TypeAdapter(_Environment).validate_python(document)
    return document


#: What :func:`environment` returns, when it is read back from a file.
EnvironmentDocument = Annotated[dict[str, Any], AfterValidator(_checked)]


def environment() -> dict[str, Any]:
    """Versions, hardware, date and, inside a git checkout, the commit, as JSON types."""
    import jax

    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "mdfit": __version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
        },
    }


def processor() -> str:
    """The processor's model name where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def git_commit() -> str | None:
    """The commit of the checkout that mdfit is imported from, with ``+changes`` when files but results differ from it."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        changes = git(
            "status", "--porcelain", "--untracked-files=no", "--", ":(top)", ":(top,exclude,glob)**/results/**"
        )
        return commit + ("+changes" if changes else "")
    except (OSError, subprocess.SubprocessError):
        return None
