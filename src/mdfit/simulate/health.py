"""Is a running simulation still physical?"""

from __future__ import annotations

import numpy as np

from mdfit.errors import ExplosionError

#: A kinetic temperature above this multiple of the target (plus 1000 K) counts as an explosion.
TEMPERATURE_FACTOR = 20.0


def explosion(finite: bool, jump: float, skin: float, time: float) -> ExplosionError:
    """Why the next step is impossible, after a call that made no progress.

    Args:
        finite: whether positions are; otherwise atoms leave the skin in a single step.
        jump: of an atom in this step in Å.
        skin: of the neighbour lists in Å.
        time: in fs.
    """
    if not finite:
        return ExplosionError(
            f"At {time:.3f} fs the positions become infinite or NaN: the dynamics explodes. Use a shorter time step, start "
            "from a relaxed structure, or train the potential on structures like these."
        )
    return ExplosionError(
        f"At {time:.3f} fs an atom moves {jump:.2f} Å in one time step, more than half the skin of {skin} Å: the dynamics "
        "explodes or the time step is too long. Use a shorter time step or a relaxed start."
    )


def check_frame(energy: np.ndarray, temperature: np.ndarray, target: np.ndarray | float, time: float) -> None:
    """At each saved frame, for all replicas, which may have targets of their own.

    Raises:
        ExplosionError: for an energy or a temperature that is not finite, or a temperature far above the target.
    """
    for what, values in (("potential energy", energy), ("temperature", temperature)):
        if not np.isfinite(values).all():
            replica = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ExplosionError(
                f"At {time:.3f} fs the {what} of replica {replica} is {values[replica]}: the structure has left the range "
                "of the potential. Use a shorter time step, a relaxed start or a potential trained on such structures; "
                "frames up to here are kept."
            )
    targets = np.broadcast_to(target, temperature.shape)
    excess = temperature - (TEMPERATURE_FACTOR * targets + 1000)
    if (excess > 0).any():
        replica = int(np.argmax(excess))
        raise ExplosionError(
            f"At {time:.3f} fs replica {replica} has {temperature[replica]:.0f} K where {targets[replica]:.0f} K were "
            "asked for: the dynamics explodes. Use a shorter time step or a potential trained on such structures; frames "
            "up to here are kept."
        )
