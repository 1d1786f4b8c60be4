"""Every potential that mdfit ships satisfies the shipped contract."""

import jax
import numpy as np
import pytest

from mdfit.potentials import (
    ZBL,
    Allegro,
    DimeNetPP,
    InversePower,
    LennardJones,
    PaiNN,
    PairSpline,
    PotentialSet,
    StillingerWeber,
)
from mdfit.testing import CONTRACT, SPREAD_CONTRACT, contract

POTENTIALS = {
    "lennard_jones_switch": lambda: LennardJones(0.01, 3.4, 8.5),
    "inverse_power": lambda: InversePower(0.01, 3.1, 6.0),
    "stillinger_weber_si": StillingerWeber.silicon,
    "stillinger_weber_ge": StillingerWeber.germanium,
    "spline": lambda: PairSpline(2.0, 6.0, 12, coefficients=np.exp(-np.arange(12) / 3.0)),
    "spline_two_species": lambda: PairSpline(
        1.0, 5.0, 8, species=(1, 8), coefficients=np.linspace(1, 0, 24).reshape(3, 8)
    ),
    "zbl": lambda: ZBL(2.1),
    "painn": lambda: PaiNN((6, 8), 4.0, channels=8, layers=2, radial_functions=5, key=jax.random.key(1)),
    "allegro": lambda: Allegro((6, 8), 4.0, channels=8, layers=3, tensor_channels=4, key=jax.random.key(4)),
    "dimenet": lambda: DimeNetPP((6, 8), 3.5, blocks=2, key=jax.random.key(2)),
    "sum": lambda: (
        PaiNN((14,), 4.5, channels=8, layers=2, key=jax.random.key(3)) + StillingerWeber.silicon() + ZBL(2.0)
    ),
}


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", POTENTIALS)
def test_contract(name, check):
    check(POTENTIALS[name]())


UNCERTAIN = {
    "set": lambda: PotentialSet.of(
        [PaiNN((6, 8), 4.0, channels=4, layers=1, radial_functions=4, key=jax.random.key(k)) for k in range(3)],
        weights=[0.5, 0.25, 0.25],
    ),
    "sum_with_a_set": lambda: (
        PotentialSet.of([LennardJones(e, 3.4, 6.0) for e in (0.009, 0.010, 0.012)]) + InversePower(0.01, 3.1, 5.0)
    ),
}


@pytest.mark.parametrize("check", [*CONTRACT, *SPREAD_CONTRACT], ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", UNCERTAIN)
def test_contract_of_uncertain_potentials(name, check):
    potential = UNCERTAIN[name]()
    assert check in contract(potential)
    check(potential)
