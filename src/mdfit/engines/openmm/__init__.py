"""All-atom reference simulations by OpenMM, the source of data for coarse-graining.

OpenMM: P. Eastman et al., J. Phys. Chem. B 128, 109 (2024), doi:10.1021/acs.jpcb.3c06662.  It is optional:
``pip install "mdfit[openmm]"``.
"""

from mdfit.engines.openmm.alanine import alanine_dipeptide
from mdfit.engines.openmm.engine import OpenMM
from mdfit.engines.openmm.measuring import Speed, pressures, speed
from mdfit.engines.openmm.system import ReferenceSystem
from mdfit.engines.openmm.water import water_box

__all__ = ["OpenMM", "ReferenceSystem", "Speed", "alanine_dipeptide", "pressures", "speed", "water_box"]
