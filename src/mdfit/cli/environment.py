"""Settings of the process that make computing faster, made before JAX starts."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from mdfit.allocator import ALLOCATOR

#: Set when :func:`choose_allocator`, not the user, has chosen the allocator.
_CHOSEN_HERE = "MDFIT_CHOSE_ALLOCATOR"


def choose_allocator() -> None:
    """Starts the process again with a faster memory allocator, unless one is chosen; only for a program of its own."""
    if sys.platform == "linux" and not any(name in os.environ for name in ALLOCATOR):
        variables = {**os.environ, **ALLOCATOR, _CHOSEN_HERE: "1"}
        os.execve(sys.executable, [sys.executable, "-m", "mdfit", *sys.argv[1:]], variables)


def prepare() -> None:
    """Keeps compiled programs between runs, and shows what mdfit logs."""
    # The compiler logs errors about processor features when it loads compiled programs, although they run on it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("mdfit").setLevel(logging.INFO)
    import jax

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mdfit" / "compiled"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def allocator_advice() -> str:
    """Whether the memory allocator is set, for the command line and for Python scripts started from the same shell."""
    if sys.platform != "linux":
        return f"memory allocator: nothing to set on {sys.platform}"
    exports = "export " + " ".join(f"{name}={value}" for name, value in ALLOCATOR.items())
    if _CHOSEN_HERE in os.environ:
        return f"memory allocator: set for this command only; for Python scripts on a CPU: {exports}"
    other = [name for name, value in ALLOCATOR.items() if os.environ.get(name) != value]
    if other:
        return (
            f"memory allocator: {', '.join(other)} not set as advised; training on a CPU may be slow without: {exports}"
        )
    return "memory allocator: set in the environment, for Python scripts, too"
