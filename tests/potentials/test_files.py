"""Saved potentials: the same bits in another process, and one clear error for each damaged file."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from mdfit.data import Dataset, LabelledStructure
from mdfit.errors import ModelFileError, OutputError, PotentialError
from mdfit.graph import build_graph
from mdfit.potentials import (
    ZBL,
    Allegro,
    DimeNetPP,
    InversePower,
    LennardJones,
    PaiNN,
    PairSpline,
    Scaling,
    StillingerWeber,
    energies,
    load,
)
from mdfit.storage import read_header, write_tree
from mdfit.structure import Structure

SCALING = Scaling({6: -1037.123456789012, 8: -2043.987654321098}, 1.234)

POTENTIALS = {
    "lennard_jones": lambda: LennardJones(0.0123456789, 1.7, 5.0, truncation="shift"),
    "inverse_power": lambda: InversePower(0.0123456789, 1.7, 5.0, power=9, switch_start=3.0),
    "stillinger_weber": lambda: StillingerWeber(species=(6,), epsilon=2.1 / 0.7, sigma=1.4),
    "spline": lambda: PairSpline(0.5, 5.0, 12, (6, 8), np.random.default_rng(0).normal(size=(3, 12))),
    "zbl": lambda: ZBL(2.1),
    "painn": lambda: PaiNN((6, 8), 4.0, channels=8, layers=2, radial_functions=5, scaling=SCALING),
    "dimenet": lambda: DimeNetPP((6, 8), 3.5, blocks=1, scaling=SCALING, key=jax.random.key(2)),
    "allegro": lambda: Allegro((6, 8), 3.5, channels=8, tensor_channels=4, order=1, scaling=SCALING),
    "sum": lambda: PaiNN((6, 8), 3.5, channels=4, layers=1) + (LennardJones(0.02, 2.0, 4.5) + ZBL(2.0)),
}

# Energies in a fresh process, of the structure that this file describes.
READER = """
import json, sys, numpy as np
sys.path.insert(0, sys.argv[1])
import test_files
bits = {name: test_files.energy_bits(test_files.load(path)) for name, path in json.load(open(sys.argv[2])).items()}
print(json.dumps(bits))
"""


def structure(species) -> Structure:
    random = np.random.default_rng(0)
    cell = np.array([[4.0, 0, 0], [0.7, 4.4, 0], [-0.5, 0.8, 5.0]])
    grid = np.stack(np.meshgrid(range(2), range(2), range(2)), -1).reshape(-1, 3) / 2
    return Structure(
        species=np.array([species[i % len(species)] for i in range(8)], np.int32),
        positions=(grid + random.normal(0, 0.03, grid.shape)) @ cell,
        cell=cell,
        periodic=np.ones(3, bool),
        masses=np.ones(8),
    )


def energy_bits(potential) -> str:
    """The energy as a hexadecimal number, bit for bit."""
    species = potential.species or (6, 8)
    return float(eqx.filter_jit(energies)(potential, build_graph(structure(species), potential.cutoff))[0]).hex()


def test_every_class_gives_the_same_bits_in_a_fresh_process(tmp_path):
    expected, paths = {}, {}
    for name, make in POTENTIALS.items():
        potential = make()
        paths[name] = str(potential.save(tmp_path / f"{name}.potential"))
        expected[name] = energy_bits(potential)
    (tmp_path / "paths.json").write_text(json.dumps(paths))
    command = [sys.executable, "-c", READER, str(Path(__file__).parent), str(tmp_path / "paths.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize("name", POTENTIALS)
def test_everything_but_the_arrays_survives_too(tmp_path, name):
    potential = POTENTIALS[name]()
    found = load(potential.save(tmp_path / "one"))
    assert type(found) is type(potential)
    assert (found.cutoff, found.species, found.settings()) == (
        potential.cutoff,
        potential.species,
        potential.settings(),
    )
    assert jax.tree.structure(found) == jax.tree.structure(potential)
    for before, after in zip(jax.tree.leaves(potential), jax.tree.leaves(found), strict=True):
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)


@pytest.fixture
def saved(tmp_path) -> Path:
    return POTENTIALS["painn"]().save(tmp_path / "painn.potential")


def assert_one_sentence(error, *words):
    text = str(error.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_truncated_file(saved, fraction):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), "earlier copy")


def test_every_flipped_bit_is_noticed(saved):
    content = saved.read_bytes()
    before = [np.asarray(leaf) for leaf in jax.tree.leaves(load(saved))]
    places = [0, 3, 8, 40, 200, *np.random.default_rng(0).integers(0, len(content), 60).tolist(), len(content) - 1]
    noticed = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 4
        saved.write_bytes(damaged)
        try:
            after = load(saved)
        except ModelFileError:
            noticed += 1
        else:
            # A flip in text that describes nothing (a version, a date) may pass, but never changes a number.
            for one, other in zip(before, jax.tree.leaves(after), strict=True):
                np.testing.assert_array_equal(one, other)
    assert noticed > 0.95 * len(places)


def test_flipped_bit_in_the_settings_is_noticed(saved):
    # 4.0 becomes 5.0 by one bit, and the file stays valid JSON.
    content = saved.read_bytes()
    assert content.count(b'cutoff\\": 4.0') == 2
    saved.write_bytes(content.replace(b'cutoff\\": 4.0', b'cutoff\\": 5.0'))
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), "corrupted")


@pytest.mark.parametrize("content", [b"", b"hello", b"{}" * 300, b"PK\x03\x04" + bytes(500), b"\xff" * 64])
def test_file_of_another_kind(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as error:
        load(path)
    assert_one_sentence(error, str(path))


def test_safetensors_file_of_another_program(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"weights": np.ones(3)}, path)
    with pytest.raises(ModelFileError) as error:
        load(path)
    assert_one_sentence(error, str(path), "another program")


@pytest.mark.parametrize("path", ["nowhere/at.all", "."])
def test_file_that_is_not_there(path):
    with pytest.raises(ModelFileError) as error:
        load(path)
    assert_one_sentence(error, path, "check the path")


def test_newer_format(saved, monkeypatch):
    monkeypatch.setattr("mdfit.models.base.FORMAT_VERSION", 7)
    POTENTIALS["painn"]().save(saved)
    monkeypatch.undo()
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), "version 7", "update mdfit")


def test_class_that_is_not_known(saved, monkeypatch):
    monkeypatch.setattr("mdfit.registry.named", lambda *bases: {})
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), "PaiNN", "import the package")


def test_checkpoint_is_not_a_potential(tmp_path):
    from mdfit.storage import write_tree

    path = tmp_path / "state"
    write_tree(path, {"x": np.ones(3)}, {"format": "mdfit checkpoint"})
    with pytest.raises(ModelFileError) as error:
        load(path)
    assert_one_sentence(error, str(path), "mdfit checkpoint")


@pytest.mark.parametrize("call", ["fsync", "write_bytes"])
def test_full_disk_keeps_the_earlier_file(saved, monkeypatch, call):
    before = saved.read_bytes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    with pytest.raises(OutputError) as error:
        POTENTIALS["dimenet"]().save(saved)
    monkeypatch.undo()
    assert_one_sentence(error, str(saved), "No space left", "unchanged")
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError) as error:
        POTENTIALS["zbl"]().save(tmp_path / "file" / "potential")
    assert_one_sentence(error, "another output directory")


def test_unwritable_directory_keeps_the_earlier_file(saved, monkeypatch):
    # Root may write everywhere, so the refusal is staged.
    before = saved.read_bytes()

    def refused(**arguments):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refused)
    with pytest.raises(OutputError) as error:
        POTENTIALS["zbl"]().save(saved)
    assert_one_sentence(error, str(saved), "Permission denied")
    assert saved.read_bytes() == before


def rewritten(path: Path, change_header=None, change_arrays=None) -> None:
    """The file with its checksums made right again, as a careless or hostile hand would."""
    from mdfit.storage import read_header, write_tree

    header, arrays = read_header(path, ModelFileError)
    if change_header:
        change_header(header)
    if change_arrays:
        change_arrays(arrays)
    write_tree(path, arrays, header)


def _settings(**changes):
    return lambda header: header["architecture"]["settings"].update(changes)


def _nested(header):
    for _ in range(300):
        header["architecture"] = {"class": "Sum", "terms": [header["architecture"]]}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda header: header.pop("species"), "species"),
        (lambda header: header.pop("architecture"), "architecture"),
        (lambda header: header.update(species="CO"), "species"),
        (lambda header: header.update(species=[6, 8, 79]), "contradicts itself"),
        (lambda header: header.update(units={"length": "nm", "energy": "eV"}), "is not in Å and eV"),
        (lambda header: header.update(cutoff="four"), "cutoff"),
        (lambda header: header.update(cutoff=5.0), "contradicts itself"),
        (lambda header: header.update(format_version="x"), "complete mdfit file"),
        (lambda header: header.update(format=7), "not a potential"),
        (lambda header: header.update(architecture=[1]), "architecture"),
        (lambda header: header.update(architecture={"class": "PaiNN"}), "no settings"),
        (lambda header: header.update(architecture={"class": ["PaiNN"], "settings": {}}), "no class"),
        (lambda header: header.update(architecture={"class": "Sum", "terms": []}), "no terms"),
        (lambda header: header.update(architecture={"class": "Sum", "settings": {}}), "no terms"),
        (lambda header: header["architecture"].update({"class": "Potential"}), "not known here"),
        (lambda header: header.update(architecture={"class": "PairPotential", "settings": {}}), "not known here"),
        (lambda header: header["architecture"].update({"class": "DimeNetPP"}), "lacks the setting"),
        (lambda header: header["architecture"]["settings"].pop("channels"), "lacks the setting channels"),
        (_settings(sparkles=3), "no setting sparkles"),
        (_settings(channels="many"), "cannot have channels = many"),
        (_settings(channels=8.5), "cannot have channels"),
        (_settings(channels=True), "cannot have channels"),
        (_settings(channels=-8), "describes no model"),
        (_settings(channels=10**9), "channels = 1000000000, for which the arrays are too"),
        (_settings(layers=10**9), "layers = 1000000000, for which the arrays are too"),
        (_settings(channels=64), "does not belong to this architecture"),
        (_settings(layers=3), "does not belong to this architecture"),
        (_settings(cutoff=float("nan")), "cannot have cutoff"),
        (_settings(species=["C", "O"]), "cannot have species"),
        (_settings(species={"C": 1}), "cannot have species"),
        (_nested, "inside each other"),
    ],
)
def test_headers_that_cannot_be_are_one_sentence(saved, change, word):
    rewritten(saved, change_header=change)
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), word)


def _first(arrays: dict) -> str:
    return next(name for name, array in sorted(arrays.items()) if array.dtype.kind == "f" and array.ndim)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda a: a.update({_first(a): a[_first(a)].astype(np.int32)}), "does not belong"),
        (lambda a: a.update({_first(a): a[_first(a)] * np.nan}), "not all finite"),
        (lambda a: a.update({_first(a): a[_first(a)][:1]}), "does not belong"),
        (lambda a: a.pop(_first(a)), "does not belong"),
        (lambda a: a.update(more=np.ones(3)), "does not belong"),
    ],
)
def test_arrays_that_cannot_be_are_one_sentence(saved, change, word):
    rewritten(saved, change_arrays=change)
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), word)


def test_no_memory_is_taken_for_what_the_arrays_do_not_hold(saved):
    """With arrays that are long enough for the bound, 64 TB of weights would be needed."""
    import resource

    rewritten(saved, _settings(channels=2_000_000), lambda arrays: arrays.update(long=np.zeros(2_000_000, np.float32)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match="does not belong to this architecture"):
        load(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_deeply_nested_header(saved):
    from safetensors.numpy import load_file, save_file

    save_file(load_file(saved), saved, metadata={"mdfit": "[" * 100_000})
    with pytest.raises(ModelFileError) as error:
        load(saved)
    assert_one_sentence(error, str(saved), "complete mdfit file")


@pytest.mark.parametrize("name", POTENTIALS)
def test_shapes_are_found_without_making_arrays(name):
    from mdfit.models.files import shapes_of

    shapes = shapes_of(POTENTIALS[name]().describe(), "the file")
    assert all(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(shapes))


def without(path, setting):
    """The file of a model without one of its settings, with valid digests."""
    header, arrays = read_header(path, ModelFileError, 1)
    del header["architecture"]["settings"][setting]
    write_tree(path, arrays, {name: value for name, value in header.items() if name != "checksum"})


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: LennardJones(0.01, 1.7, 5.0, truncation="shift"), "truncation"),
        (lambda: PaiNN((6, 8), 4.0, channels=8, layers=1, mean_neighbours=12.0), "mean_neighbours"),
    ],
)
def test_a_missing_setting_has_no_default(tmp_path, make, setting):
    path = make().save(tmp_path / "a.mdfit")
    without(path, setting)
    with pytest.raises(ModelFileError, match=f"lacks the setting {setting}"):
        load(path)


def test_settings_that_came_later_are_what_earlier_files_did(tmp_path):
    path = PaiNN((6, 8), 4.0, channels=8, layers=1, key=jax.random.key(1)).save(tmp_path / "a.mdfit")
    whole = energy_bits(load(path))
    without(path, "isolated_at_reference")
    assert energy_bits(load(path)) == whole


@pytest.mark.parametrize("network", [PaiNN, DimeNetPP])
@pytest.mark.parametrize("cutoff", [0.0, -1.0, 1e300, np.nan])
def test_impossible_cutoffs_of_networks(network, cutoff):
    with pytest.raises(PotentialError, match="cutoff"):
        network((6, 8), cutoff)


@pytest.mark.parametrize("network", [PaiNN, DimeNetPP])
def test_isolated_atoms_have_their_reference_energies(network, tmp_path):
    """Whatever is learned; saved, too; and only where the data hold isolated atoms."""
    dimer, alone = ([[0, 0, 0], [0, 0, 1.2]], [[0, 0, 0]])
    frames = [LabelledStructure(Structure.in_open_space(dimer, species=8), energy=-4000.0, forces=np.ones((2, 3)))]
    assert not network.for_data(Dataset(tuple(frames)), 4.0).isolated_at_reference
    frames.append(LabelledStructure(Structure.in_open_space(alone, species=8), energy=-1998.5))
    potential = network.for_data(Dataset(tuple(frames)), 4.0, key=jax.random.key(3))
    moved = jax.tree.map(lambda leaf: leaf + 0.1 if eqx.is_inexact_array(leaf) else leaf, potential.embedding)
    potential = eqx.tree_at(lambda p: p.embedding, potential, moved)
    for one in (potential, load(potential.save(tmp_path / "a.mdfit"))):
        found = one.atomic_energies(build_graph(Structure.in_open_space([*dimer[0:2], [0, 0, 9.0]], species=8), 4.0))
        assert float(found[2]) == pytest.approx(-1998.5, abs=1e-5)
        assert abs(float(found[0]) + 1998.5) > 1e-3
