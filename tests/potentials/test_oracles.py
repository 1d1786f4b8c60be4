"""Energies, forces and stress against LAMMPS, and against formulas written out anew with NumPy and SciPy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import BSpline
from scipy.special import spherical_jn

from mdfit.graph import build_graph
from mdfit.potentials import ZBL, DimeNetPP, InversePower, LennardJones, PairSpline, StillingerWeber, energies, evaluate
from mdfit.precision import cast
from mdfit.structure import Structure

jitted = eqx.filter_jit(evaluate)

DIAMOND = np.array([[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0], [1, 1, 1], [1, 3, 3], [3, 1, 3], [3, 3, 1]]) / 4
FCC = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2

SW_FILES = {
    "Si": "Si Si Si 2.1683 2.0951 1.80 21.0 1.20 -0.333333333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n",
    "Ge": "Ge Ge Ge 1.93 2.181 1.80 31.0 1.20 -0.333333333333333333 7.049556277 0.6022245584 4.0 0.0 0.0\n",
}


def distorted(basis, lattice, repeats, number, seed, noise, skew=0.15) -> Structure:
    """A crystal with a lower triangular, skewed cell and displaced atoms."""
    random = np.random.default_rng(seed)
    shape = np.diag(random.uniform(0.95, 1.08, 3)) + np.tril(random.uniform(-skew, skew, (3, 3)), -1)
    images = np.stack(np.meshgrid(*[range(n) for n in repeats], indexing="ij"), -1).reshape(-1, 3)
    fractional = (images[:, None] + basis[None]).reshape(-1, 3) / repeats
    cell = lattice * np.array(repeats)[:, None] * shape
    positions = fractional @ cell + random.normal(0, noise, fractional.shape)
    return structure_of(positions, cell, number)


def structure_of(positions, cell, number) -> Structure:
    atoms = len(positions)
    return Structure(
        species=np.full(atoms, number, np.int32) if np.isscalar(number) else np.asarray(number, np.int32),
        positions=positions,
        cell=cell,
        periodic=np.any(cell, axis=1),
        masses=np.ones(atoms),
    )


def predict(potential, structure):
    return jitted(cast(potential, jnp.float64), build_graph(structure, potential.cutoff, dtype=jnp.float64))


def assert_same(prediction, reference, tolerance=1e-6):
    np.testing.assert_allclose(float(prediction.energy[0]), reference["energy"], rtol=tolerance)
    force, stress = np.abs(reference["forces"]).max(), np.abs(reference["stress"]).max()
    assert force > 0.01
    assert stress > 0.01
    np.testing.assert_allclose(prediction.forces, reference["forces"], rtol=0, atol=tolerance * force)
    np.testing.assert_allclose(prediction.strain_derivative[0], reference["stress"], rtol=0, atol=tolerance * stress)


@pytest.mark.parametrize(
    ("element", "repeats", "seed", "noise"),
    [("Si", (2, 2, 3), 0, 0.25), ("Si", (1, 1, 1), 1, 0.15), ("Ge", (1, 2, 1), 2, 0.25), ("Ge", (3, 1, 2), 3, 0.4)],
)
def test_stillinger_weber_equals_lammps(lammps, tmp_path, element, repeats, seed, noise):
    potential, number, lattice = {
        "Si": (StillingerWeber.silicon(), 14, 5.43),
        "Ge": (StillingerWeber.germanium(), 32, 5.65),
    }[element]
    parameters = tmp_path / "parameters.sw"
    parameters.write_text(SW_FILES[element])
    structure = distorted(DIAMOND, lattice, repeats, number, seed, noise)
    pair = ["pair_style sw", f"pair_coeff * * {parameters} {element}"]
    assert_same(predict(potential, structure), lammps(structure.positions, structure.cell, pair))


@pytest.mark.parametrize("truncation", ["shift", "cut"])
@pytest.mark.parametrize(("repeats", "seed"), [((3, 3, 2), 0), ((1, 1, 1), 1), ((2, 1, 1), 2)])
def test_lennard_jones_equals_lammps(lammps, truncation, repeats, seed):
    # A cell of one cube of argon is narrower than the cutoff: several images of each neighbour count.
    potential = LennardJones(0.0104, 3.405, 8.5, truncation=truncation)
    structure = distorted(FCC, 5.26, repeats, 18, seed, 0.25)
    pair = ["pair_style lj/cut 8.5", "pair_coeff 1 1 0.0104 3.405", f"pair_modify shift {_yes(truncation == 'shift')}"]
    assert_same(predict(potential, structure), lammps(structure.positions, structure.cell, pair))


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def pairs_of(structure, cutoff):
    """Distances and both atoms of all pairs, every image counted, by brute force."""
    shifts = np.stack(np.meshgrid(*[range(-4, 5)] * 3), -1).reshape(-1, 3) @ structure.cell
    for i in range(structure.number_of_atoms):
        for j in range(structure.number_of_atoms):
            distances = np.linalg.norm(structure.positions[j] - structure.positions[i] + shifts, axis=1)
            for distance in distances[(distances < cutoff) & (distances > 1e-9)]:
                yield distance, i, j


def test_inverse_power_is_what_its_name_says_up_to_the_switch():
    structure = distorted(FCC, 5.26, (1, 1, 2), 18, 3, 0.25)
    distances = np.array([distance for distance, _, _ in pairs_of(structure, 6.0)])
    # All pairs lie below the switch, or beyond the cutoff.
    near, far = distances[distances < 4.5], distances[distances >= 4.5].min()
    potential = InversePower(0.02, 3.1, far - 1e-3, power=9, switch_start=4.5)
    expected = 0.5 * np.sum(0.02 * (3.1 / near) ** 9)
    assert predict(potential, structure).energy == pytest.approx(expected, rel=1e-5)


def test_zbl_equals_the_formula_in_atomic_units():
    # Coefficients and screening length of Ziegler, Biersack and Littmark; e²/4πε₀ is one hartree times one bohr.
    hartree, bohr = 27.211386245988, 0.529177210903
    radii = {6: 0.76, 8: 0.66, 14: 1.11}
    structure = distorted(FCC, 3.0, (1, 1, 2), np.array([6, 8, 14, 6, 8, 14, 14, 8]), 4, 0.3)
    cutoff = 1.7
    total = 0.0
    for distance, i, j in pairs_of(structure, cutoff):
        first, second = (int(structure.species[k]) for k in (i, j))
        x = distance / (0.8854 * bohr / (first**0.23 + second**0.23))
        screening = 0.18175 * np.exp(-3.1998 * x) + 0.50986 * np.exp(-0.94229 * x)
        screening += 0.28022 * np.exp(-0.4029 * x) + 0.02817 * np.exp(-0.20162 * x)
        t = distance / min(radii[first] + radii[second], cutoff)
        envelope = 1 - 28 * t**6 + 48 * t**7 - 21 * t**8 if t < 1 else 0.0
        total += 0.5 * hartree * bohr * first * second / distance * screening * envelope
    assert total > 1
    np.testing.assert_allclose(predict(ZBL(cutoff), structure).energy[0], total, rtol=1e-9)


def test_spline_of_two_species_equals_scipy():
    minimum, cutoff, intervals = 1.2, 5.0, 9
    coefficients = np.random.default_rng(0).normal(0, 1, (3, intervals))
    potential = PairSpline(minimum, cutoff, intervals, species=(6, 8), coefficients=coefficients)
    structure = distorted(FCC, 4.0, (1, 1, 2), np.array([6, 8, 6, 6, 8, 8, 6, 8]), 5, 0.1)
    step = (cutoff - minimum) / intervals
    knots = minimum + step * np.arange(-3, intervals + 4)
    rows = {(6, 6): 0, (6, 8): 1, (8, 6): 1, (8, 8): 2}
    padded = np.pad(coefficients, ((0, 0), (0, 3)))
    curves = [BSpline(knots, padded[row], 3) for row in range(3)]
    total = 0.0
    for distance, i, j in pairs_of(structure, cutoff):
        assert distance > minimum
        total += 0.5 * curves[rows[int(structure.species[i]), int(structure.species[j])]](distance)
    np.testing.assert_allclose(predict(potential, structure).energy[0], total, rtol=1e-10)


def test_tabulated_spline_reproduces_its_table():
    distances = np.linspace(2.5, 8.0, 600)
    truth = LennardJones(0.0104, 3.4, 8.0)
    expected = [float(predict(truth, pair_at(r)).energy[0]) for r in (3.0, 3.7, 5.1, 7.7)]
    squared = jnp.asarray(distances**2)
    table = np.asarray(truth.pair_energy(squared, None, None))
    potential = PairSpline.from_table(distances, table)
    found = [float(predict(potential, pair_at(r)).energy[0]) for r in (3.0, 3.7, 5.1, 7.7)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def pair_at(distance) -> Structure:
    return structure_of(np.array([[0.0, 0, 0], [distance, 0, 0]]), np.zeros((3, 3)), 18)


def silu(x):
    return x / (1 + np.exp(-x))


def dense(layer, x):
    y = x @ np.asarray(layer.weight)
    return y if layer.bias is None else y + np.asarray(layer.bias)


def residual(block, x):
    return x + silu(dense(block.second, silu(dense(block.first, x))))


def zero_of_bessel(order, number):
    """The ``number``-th positive zero of the spherical Bessel function, by bisection on a fine grid."""
    grid = np.linspace(1.0 + order, 60, 60000)
    values = spherical_jn(order, grid)
    brackets = np.flatnonzero(values[:-1] * values[1:] < 0)[:number]
    low, high = grid[brackets[-1]], grid[brackets[-1] + 1]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if spherical_jn(order, low) * spherical_jn(order, middle) > 0 else (low, middle)
    return (low + high) / 2


class SlowDimeNet:
    """DimeNet++ with one entry per directed edge and triplet, explicit angles and SciPy's functions (NumPy, float64)."""

    def __init__(self, potential):
        self.potential = jax.tree.map(np.asarray, potential)
        orders, functions = potential.angular_functions, potential.radial_functions
        numbers = range(1, functions + 1)
        self.zeros = np.array([[zero_of_bessel(order, n) for n in numbers] for order in range(orders)])

    def energy(self, structure) -> float:
        p, places = self.potential, structure.positions
        atoms = range(len(places))
        # Message (j, i) is sent by j and received by i.
        edges = [(j, i) for j in atoms for i in atoms if i != j and np.linalg.norm(places[j] - places[i]) < p.cutoff]
        length = {edge: np.linalg.norm(places[edge[0]] - places[edge[1]]) for edge in edges}
        embedding = np.asarray(p.embedding)[[p.species.index(z) for z in structure.species]]
        radial = {edge: self.radial(length[edge]) for edge in edges}
        messages = {}
        for j, i in edges:
            features = [embedding[j], embedding[i], silu(dense(p.embed_radial, radial[j, i]))]
            messages[j, i] = silu(dense(p.embed, np.concatenate(features)))
        total = self.output(p.outputs[0], messages, radial, atoms)
        for block, output in zip(p.interactions, p.outputs[1:], strict=True):
            messages = self.interact(block, messages, radial, length, places)
            total = total + self.output(output, messages, radial, atoms)
        references = np.asarray(p.reference.value)[[p.species.index(z) for z in structure.species]]
        return float(np.sum(total) * float(p.scale.value) + np.sum(references))

    def envelope(self, x):
        return 1 - 28 * x**6 + 48 * x**7 - 21 * x**8

    def radial(self, distance):
        x = distance / self.potential.cutoff
        waves = np.sin(np.asarray(self.potential.frequencies, np.float64) * x) / distance
        return np.sqrt(2 / self.potential.cutoff) * waves * self.envelope(x)

    def spherical(self, distance, angle):
        cutoff = self.potential.cutoff
        basis = []
        for order, zeros in enumerate(self.zeros):
            legendre = np.polynomial.legendre.Legendre.basis(order)(np.cos(angle))
            harmonic = np.sqrt((2 * order + 1) / (4 * np.pi)) * legendre
            for zero in zeros:
                norm = np.sqrt(2 / cutoff**3) / abs(spherical_jn(order + 1, zero))
                basis.append(norm * spherical_jn(order, zero * distance / cutoff) * harmonic)
        return np.array(basis) * self.envelope(distance / cutoff)

    def interact(self, block, messages, radial, length, places):
        sent = {}
        for edge, message in messages.items():
            gate = dense(block.radial[1], dense(block.radial[0], radial[edge]))
            sent[edge] = silu(dense(block.down, silu(dense(block.incoming, message)) * gate))
        new = {}
        for j, i in messages:
            arrived = 0.0
            for k, receiver in messages:
                if receiver != j or k == i:
                    continue
                to_i, to_k = places[i] - places[j], places[k] - places[j]
                angle = np.arctan2(np.linalg.norm(np.cross(to_i, to_k)), to_i @ to_k)
                weight = dense(block.spherical[1], dense(block.spherical[0], self.spherical(length[k, j], angle)))
                arrived = arrived + weight * sent[k, j]
            x = silu(dense(block.own, messages[j, i]))
            x = x + (silu(dense(block.up, arrived)) if np.ndim(arrived) else 0.0)
            for layer in block.before:
                x = residual(layer, x)
            x = messages[j, i] + silu(dense(block.skip, x))
            for layer in block.after:
                x = residual(layer, x)
            new[j, i] = x
        return new

    def output(self, block, messages, radial, atoms):
        local = []
        for i in atoms:
            arriving = [message * dense(block.radial, radial[e]) for e, message in messages.items() if e[1] == i]
            x = dense(block.up, np.sum(arriving, axis=0))
            for layer in block.hidden:
                x = silu(dense(layer, x))
            local.append(dense(block.final, x)[0])
        return np.array(local)


def test_dimenet_equals_a_loop_over_triplets():
    potential = cast(DimeNetPP((1, 6, 8), 4.0, blocks=1, key=jax.random.key(5)), jnp.float64)
    # Numbers unlike those of a fresh network, so that every layer and bias matters.
    leaves, tree = jax.tree.flatten(potential)
    keys = jax.random.split(jax.random.key(6), len(leaves))
    noise = [leaf + 0.1 * jax.random.normal(k, leaf.shape, leaf.dtype) for leaf, k in zip(leaves, keys, strict=True)]
    potential = jax.tree.unflatten(tree, noise)
    random = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(range(2), range(2), range(2)), -1).reshape(-1, 3)[:7]
    positions = 1.5 * grid + random.normal(0, 0.15, (7, 3))
    # The last atom sees one other only: no message reaches that edge.
    positions[6] = positions[0] + [-2.6, -2.2, -1.5]
    structure = structure_of(positions, np.zeros((3, 3)), [6, 1, 8, 1, 6, 1, 8])
    expected = SlowDimeNet(potential).energy(structure)
    np.testing.assert_allclose(padded_energy(potential, structure), expected, rtol=1e-8)
    # The slow program feels angles: the same distances from one atom with another angle have another energy.
    bent, straight = (structure_of(_triatomic(angle), np.zeros((3, 3)), [1, 8, 1]) for angle in (1.8, np.pi))
    slow = SlowDimeNet(potential)
    expected = [slow.energy(bent), slow.energy(straight)]
    assert abs(expected[0] - expected[1]) > 1e-4
    found = [padded_energy(potential, one) for one in (bent, straight)]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


def padded_energy(potential, structure) -> float:
    """With one size for all structures, so that one program is compiled."""
    graph = build_graph(structure, potential.cutoff, dtype=jnp.float64, atoms=8, neighbours=7)
    return float(eqx.filter_jit(energies)(potential, graph)[0])


def _triatomic(angle):
    return np.array([[2.2, 0, 0], [0, 0, 0], [2.2 * np.cos(angle), 2.2 * np.sin(angle), 0]])
