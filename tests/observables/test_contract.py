"""Every observable passes the shipped contract, and the contract finds faults that are planted."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ase.build import bulk

from mdfit import observables
from mdfit.observables import (
    ADF,
    RDF,
    Angle,
    Compressibility,
    Coordinate,
    CoordinationNumber,
    Density,
    Dihedral,
    Distance,
    Distribution,
    ElasticConstants,
    EquilateralTripletCorrelation,
    FreeEnergyProfile,
    HeatCapacity,
    HeatCapacityAtConstantPressure,
    JointDistribution,
    Observable,
    PotentialEnergy,
    Pressure,
    Stress,
    Temperature,
    TetrahedralOrder,
    ThermalExpansion,
    TotalEnergy,
)
from mdfit.potentials import LennardJones
from mdfit.registry import named
from mdfit.simulate import NPT, JaxMD, Langevin, StatePoint, run
from mdfit.structure import Structure
from mdfit.testing import OBSERVABLE_CONTRACT, ObservableCase, check_observable

POTENTIAL = LennardJones(0.0104, 3.4, 5.0)
SHORT = {
    "duration": "120 fs",
    "every": "10 fs",
    "equilibrate": "100 fs",
    "replicas": 2,
    "engine": JaxMD(dtype="float64"),
}


def simulated(sampler, **at):
    structure = Structure.from_ase(bulk("Ar", "fcc", a=5.5, cubic=True).repeat(2))
    return run(POTENTIAL, StatePoint(structure, 60.0, **at), sampler, key=jax.random.key(0), **SHORT)


@pytest.fixture(scope="module")
def trajectories():
    return {"NVT": simulated(Langevin("5 fs", "2 /ps")), "NPT": simulated(NPT("2 fs"), pressure="1 bar")}


BOND, ANGLE, TORSION = Distance(0, 1), Angle(0, 1, 2), Dihedral(0, 1, 2, 3)
CASES = {
    "temperature": (Temperature(), "NVT"),
    "potential energy": (PotentialEnergy(), "NVT"),
    "total energy": (TotalEnergy(), "NVT"),
    "pressure": (Pressure(), "NVT"),
    "stress": (Stress(), "NVT"),
    "heat capacity": (HeatCapacity(), "NVT"),
    "elastic constants": (ElasticConstants(), "NVT"),
    "RDF": (RDF("5 Å", bins=20, smearing="0.1 Å"), "NVT"),
    "ADF": (ADF("5 Å", bins=20), "NVT"),
    "coordination": (CoordinationNumber("5 Å"), "NVT"),
    "tetrahedral order": (TetrahedralOrder(), "NVT"),
    "triplets": (EquilateralTripletCorrelation("3 Å", "4.4 Å", bins=10), "NVT"),
    "bond": (Distribution(BOND, "2 Å", "5 Å", bins=10), "NVT"),
    "angle": (Distribution(ANGLE, bins=10), "NVT"),
    "place": (Distribution(Coordinate(0), "0 Å", "11 Å", bins=5), "NVT"),
    "joint": (JointDistribution(Distribution(TORSION, bins=6), Distribution(ANGLE, bins=4)), "NVT"),
    "profile": (FreeEnergyProfile(Distribution(BOND, "3 Å", "4.2 Å", bins=3, smearing="0.25 Å")), "NVT"),
    "density": (Density(), "NPT"),
    "compressibility": (Compressibility(), "NPT"),
    "expansion": (ThermalExpansion(), "NPT"),
    "heat capacity at constant pressure": (HeatCapacityAtConstantPressure(), "NPT"),
}


@pytest.mark.parametrize("check", OBSERVABLE_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_contract(name, check, trajectories):
    observable, ensemble = CASES[name]
    check(ObservableCase(observable, trajectories[ensemble], POTENTIAL, at_places=name == "place"))


def test_all_observables_are_checked():
    checked = {type(observable).__name__ for observable, _ in CASES.values()}
    public = {name for name in named(Observable) if name in observables.__all__}
    assert public - checked == {"BasinPopulations"}  # tests/observables/test_basins.py: needs a molecule with basins


@dataclass(frozen=True)
class Spread(Observable):
    """Mean squared distance from the centre, with a fault that is planted."""

    fault: str = ""
    unit = "Å^2"

    @property
    def shape(self):
        return (2,) if self.fault == "shape" else ()

    def per_snapshot(self, snapshot):
        places = snapshot.positions
        if self.fault != "places":
            places = snapshot.velocities if self.fault != "unknown" else jnp.nan_to_num(snapshot.velocities)
        return jnp.mean(jnp.sum((places - places.mean(axis=0)) ** 2, axis=1))

    def combine(self, averages):
        return jax.lax.stop_gradient(averages) if self.fault == "derivative" else averages

    def __hash__(self):
        return id(self) if self.fault == "hash" else hash(self.fault)


def test_an_observable_of_ones_own_passes(trajectories):
    check_observable(ObservableCase(Spread(), trajectories["NVT"]))


@pytest.mark.parametrize("fault", ["shape", "places", "unknown", "derivative", "hash"])
def test_planted_faults_are_found(fault, trajectories):
    with pytest.raises(AssertionError):
        check_observable(ObservableCase(Spread(fault), trajectories["NVT"]))


def test_values_of_a_crystal_in_motion_are_not_constant(trajectories):
    assert np.ptp(trajectories["NVT"].potential_energies) > 0
