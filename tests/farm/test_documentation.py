"""The program of the page does what it says, with less work."""

import re
import subprocess
import sys
from pathlib import Path

from ase.build import bulk
from ase.io import write

from mdfit.potentials import LennardJones

PAGE = Path(__file__).parents[2] / "docs" / "task_farm.md"


def test_state_points_side_by_side(tmp_path):
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    less = (
        ('"20 ps"', '"0.4 ps"'),
        ('"0.1 ps"', '"0.02 ps"'),
        ("range(40, 100, 10)", "[40]"),
        ("workers=2", "workers=1"),
    )
    for long, short in less:
        assert long in program
        program = program.replace(long, short)
    LennardJones(0.0104, 3.4, 5.0).save(tmp_path / "argon.mdfit")
    write(tmp_path / "argon.extxyz", bulk("Ar", a=5.4, cubic=True).repeat(2), format="extxyz")
    (tmp_path / "program.py").write_text(program + "print({name: sorted(one) for name, one in results.items()})\n")
    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "{'40 K': ['error', 'mean']}\n", done.stderr
    assert [path.name for path in (tmp_path / "runs" / "pressures").iterdir()] == ["40 K.safetensors"]
