"""A fingerprint tells potentials apart, and nothing else."""

import subprocess
import sys

import equinox as eqx
import jax

from mdfit.models import Model
from mdfit.potentials import ZBL, LennardJones, PaiNN, StillingerWeber, load

fingerprint = Model.fingerprint


def network(seed: int = 0, **settings):
    return PaiNN(
        (14,), 4.0, **{"channels": 4, "layers": 1, "radial_functions": 3, "key": jax.random.key(seed), **settings}
    )


def test_saving_and_loading_keeps_it(tmp_path):
    potential = network() + ZBL()
    potential.save(tmp_path / "sum.mdfit")
    assert fingerprint(load(tmp_path / "sum.mdfit")) == fingerprint(potential)


def test_another_process_finds_the_same():
    code = "from mdfit.potentials import StillingerWeber\nprint(StillingerWeber.silicon().fingerprint())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint(StillingerWeber.silicon())


def test_every_change_is_seen():
    first = network()
    nudged = eqx.tree_at(lambda p: p.embedding, first, first.embedding.at[0, 0].multiply(1 + 1e-6))
    potentials = [
        first,
        nudged,
        network(1),
        network(layers=2),
        first + ZBL(),
        ZBL() + first,
        StillingerWeber.silicon(),
        StillingerWeber.germanium(),
        LennardJones(0.0104, 3.4, 6.0),
        LennardJones(0.0104, 3.4, 6.0, "shift"),
    ]
    assert len({fingerprint(potential) for potential in potentials}) == len(potentials)
    assert fingerprint(first) == fingerprint(network())


class WithFunction(LennardJones):
    function: object = eqx.field(static=True, default=None)

    def __init__(self, function):
        super().__init__(0.0104, 3.4, 6.0)
        self.function = function


def test_a_function_among_the_settings_goes_by_its_name():
    def made():
        def function():
            return 1

        return function

    one, other = made(), made()
    assert one is not other
    assert fingerprint(WithFunction(one)) == fingerprint(WithFunction(other))
    assert fingerprint(WithFunction(one)) != fingerprint(WithFunction(abs))
