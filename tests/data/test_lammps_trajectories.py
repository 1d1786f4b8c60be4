"""Dumps and data files of LAMMPS: times, units, boxes, image flags, styles, elements; and what is refused."""

import bz2
import gzip
import lzma
import re

import numpy as np
import pytest

from mdfit.data import read_trajectory
from mdfit.errors import DataError, ObservableError, SimulationError
from mdfit.observables import DiffusionCoefficient, MeanSquareDisplacement, estimate
from mdfit.simulate import Trajectory
from mdfit.structure import read_structure

CELL = np.array([[10.0, 0, 0], [3.0, 9.0, 0], [-2.0, 4.0, 8.0]])
ATOMS, FRAMES = 8, 60
STEPS = 100 * np.arange(FRAMES)


def walk(cell=CELL, length=0.4, frames=FRAMES):
    """A random walk that leaves the cell."""
    generator = np.random.default_rng(3)
    start = generator.random((1, ATOMS, 3)) @ cell
    return start + np.cumsum(generator.normal(size=(frames, ATOMS, 3)) * length, axis=0)


def wrapped(positions, cells):
    fractional = positions @ np.linalg.inv(cells)
    images = np.floor(fractional).astype(int)
    return (fractional - images) @ cells, images


def box_lines(cell, flags="pp pp pp", corner=(0, 0, 0)):
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell
    x, y, z = corner
    low = (x + min(0, xy, xz, xy + xz), y + min(0, yz), z)
    high = (x + lx + max(0, xy, xz, xy + xz), y + ly + max(0, yz), z + lz)
    rows = [f"{a:.10f} {b:.10f} {c:.10f}" for a, b, c in zip(low, high, (xy, xz, yz), strict=True)]
    return [f"ITEM: BOX BOUNDS xy xz yz {flags}", *rows]


def write_dump(
    path, positions, cell=CELL, steps=STEPS, columns="xu yu zu", extra=None, head=(), above=None, each=None, **box
):
    """Atoms in an order that changes from frame to frame, as LAMMPS writes them."""
    order = np.random.default_rng(0)
    lines = list(head)
    for frame, (step, where) in enumerate(zip(steps, positions, strict=False)):
        here = cell[frame] if np.ndim(cell) == 3 else cell
        lines += above(frame) if above else []
        lines += ["ITEM: TIMESTEP", str(step), *(each(frame) if each else []), "ITEM: NUMBER OF ATOMS", str(len(where))]
        lines += box_lines(here, **box)
        lines.append(f"ITEM: ATOMS id type {columns}")
        for atom in order.permutation(len(where)):
            values = [f"{x:.10f}" for x in where[atom]] + [
                str(x) for x in ([] if extra is None else extra[frame][atom])
            ]
            lines.append(f"{atom + 1} 1 {' '.join(values)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_data(path, style="full", mass="39.948", comment=None, rows=None, counts=""):
    body = {
        "full": "{0} 1 1 0.5 1.0 2.0 3.0",
        "atomic": "{0} 1 1.0 2.0 3.0",
        "charge": "{0} 1 0.5 1.0 2.0 3.0",
        "molecular": "{0} 1 1 1.0 2.0 3.0",
    }[style]
    heading = "Atoms" + (f"  # {comment}" if comment else "")
    lines = [
        "LAMMPS data",
        "",
        f"{ATOMS} atoms",
        "1 atom types",
        counts,
        "",
        "0 10 xlo xhi",
        "0 9 ylo yhi",
        "0 8 zlo zhi",
    ]
    lines += ["3 -2 4 xy xz yz", "", "Masses", "", f"1 {mass}", "", heading, ""]
    lines += rows or [body.format(atom + 1) + " 0 0 0" for atom in range(ATOMS)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "atoms.data")


def read(data, dump, **options):
    return read_trajectory(data, dump, **{"length_unit": "Å", "timestep": "2 fs", **options})


def test_times_need_the_time_step(tmp_path, data):
    dump = write_dump(tmp_path / "run.dump", walk())
    with pytest.raises(DataError, match=r"counts time steps.*give timestep"):
        read_trajectory(data, dump, length_unit="Å")
    with pytest.raises(DataError, match='give timestep, such as "2 fs", instead of every'):
        read(data, dump, every="1 ps")
    np.testing.assert_allclose(read(data, dump).times, 200.0 * np.arange(FRAMES))
    assert read(data, dump, timestep=None, every="unknown").times is None
    assert read(data, dump, timestep=None, frames=slice(3, 4)).times is None


@pytest.mark.parametrize("name", ["run.lammpstrj", "run.dump", "run.lammpsdump", "anything"])
def test_dumps_are_known_by_their_content(tmp_path, data, name):
    positions = walk()
    frames = read(data, write_dump(tmp_path / name, positions))
    np.testing.assert_allclose(frames.positions, positions, atol=1e-5)
    np.testing.assert_allclose(frames.cells[7], CELL, atol=1e-9)
    np.testing.assert_array_equal(frames.species, [18] * ATOMS)


def test_scaled_positions_and_corners(tmp_path, data):
    positions = walk()
    scaled = write_dump(tmp_path / "s.dump", positions @ np.linalg.inv(CELL), columns="xsu ysu zsu", corner=(5, -3, 2))
    np.testing.assert_allclose(read(data, scaled).positions, positions, atol=1e-5)
    shifted = write_dump(tmp_path / "x.dump", positions + [5, -3, 2], corner=(5, -3, 2))
    np.testing.assert_allclose(read(data, shifted).positions, positions, atol=1e-5)


def test_boxes_of_any_orientation(tmp_path, data):
    """``BOX BOUNDS abc origin``: three vectors, and a corner."""
    cell, corner = np.array([[0.0, 9, 1], [8.0, 1, 0], [1.0, 0, 7]]), np.array([1.0, 2, 3])
    inside, images = wrapped(walk(cell), cell)
    dump = write_dump(tmp_path / "g.dump", inside + corner, columns="x y z")
    lines = dump.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith("ITEM: BOX"):
            rows = [f"{' '.join(map(str, vector))} {x}" for vector, x in zip(cell, corner, strict=True)]
            lines[number : number + 4] = ["ITEM: BOX BOUNDS abc origin pp pp pp", *rows]
    dump.write_text("\n".join(lines) + "\n")
    frames = read(data, dump)
    np.testing.assert_allclose(frames.cells[3], cell)
    np.testing.assert_allclose(frames.positions, walk(cell) - images[0] @ cell, atol=2e-5)


def test_positions_that_follow_atoms_are_preferred(tmp_path, data):
    positions = walk()
    inside, _ = wrapped(positions, CELL)
    both = write_dump(tmp_path / "b.dump", inside, columns="x y z xu yu zu", extra=positions)
    np.testing.assert_allclose(read(data, both).positions, positions, atol=1e-5)


def test_wrapped_positions_follow_atoms_by_image_flags_or_nearest_images(tmp_path, data):
    """In a triclinic cell that changes, where lengths of edges times flags would be wrong."""
    cells = CELL * (1 + 0.02 * np.sin(np.arange(FRAMES)))[:, None, None]
    positions = walk()
    inside, images = wrapped(positions, cells)
    assert np.abs(images).max() > 0
    by_flags = write_dump(tmp_path / "i.dump", inside, cells, columns="x y z ix iy iz", extra=images)
    np.testing.assert_allclose(read(data, by_flags).positions, positions, atol=2e-5)
    by_image = read(data, write_dump(tmp_path / "w.dump", inside, cells, columns="x y z")).positions
    # From the image of the first frame on, in units of the present cell.
    np.testing.assert_allclose(by_image, positions - images[0] @ cells, atol=2e-5)
    untouched = read(data, write_dump(tmp_path / "u.dump", inside, cells, columns="x y z"), unwrap="no")
    np.testing.assert_allclose(untouched.positions, inside, atol=1e-5)
    assert not untouched.unwrapped


def test_what_is_unwrapped_stays_bit_for_bit(tmp_path, data):
    positions = walk()
    plain = read(data, write_dump(tmp_path / "u.dump", positions))
    same = read(data, write_dump(tmp_path / "x.dump", positions, columns="x y z"))
    assert plain.positions.tobytes() == same.positions.tobytes()
    fast = write_dump(tmp_path / "f.dump", walk(length=6.0))
    assert read(data, fast).positions.tobytes() == read(data, fast, unwrap="done").positions.tobytes()


def test_steps_that_are_too_long_to_be_followed_are_refused(tmp_path, data):
    inside, _ = wrapped(walk(length=3.0), CELL)
    dump = write_dump(tmp_path / "w.dump", inside, columns="x y z")
    with pytest.raises(DataError, match=r"move by up to (4|5)\d % of it between frames"):
        read(data, dump)
    static = Trajectory.of_frames(read(data, dump, unwrap="no"), temperature=300.0)
    with pytest.raises(ObservableError, match="put back into it"):
        estimate(MeanSquareDisplacement("1 ps"), static)
    with pytest.raises(ObservableError, match="put back into it"):
        estimate(DiffusionCoefficient("0.2 ps", "1 ps"), static)


def test_displacements_of_wrapped_positions_are_those_of_the_walk(tmp_path, data):
    inside, _ = wrapped(walk(), CELL)
    seen = [
        read(data, write_dump(tmp_path / "w.dump", inside, columns="x y z")),
        read(data, write_dump(tmp_path / "u.dump", walk())),
    ]
    curves = [estimate(MeanSquareDisplacement("1 ps"), Trajectory.of_frames(f, temperature=300.0)).value for f in seen]
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize(
    "steps", [np.r_[0, 17, STEPS[1:-1]], np.delete(np.arange(FRAMES + 1) * 100, 40), np.r_[0, STEPS[:-1]]]
)
def test_unequal_missing_and_double_frames_are_refused_or_split(tmp_path, data, steps):
    positions = walk()
    dump = write_dump(tmp_path / "run.dump", positions, steps=steps)
    with pytest.raises(DataError, match=r"fs apart .* but frames are usually 200 fs apart"):
        read(data, dump)
    kept = read(data, dump, gaps="keep")
    np.testing.assert_allclose(kept.times, 2.0 * steps)
    with pytest.raises(ObservableError, match="frames at equal intervals"):
        estimate(MeanSquareDisplacement("1 ps"), Trajectory.of_frames(kept, temperature=300.0))
    parts = kept.segments()
    assert sum(map(len, parts)) == FRAMES
    assert all(np.allclose(np.diff(part.times), 200.0) for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.positions for part in parts]), kept.positions)


def test_cells_tell_the_ensemble(tmp_path, data):
    cells = CELL * (1 + 0.02 * np.sin(np.arange(FRAMES)))[:, None, None]
    constant = read(data, write_dump(tmp_path / "c.dump", walk()))
    changing = read(data, write_dump(tmp_path / "n.dump", walk(), cells))
    assert Trajectory.of_frames(constant, temperature=300.0).ensemble == "NVT"
    assert Trajectory.of_frames(constant, temperature=300.0, ensemble="NVE").ensemble == "NVE"
    seen = Trajectory.of_frames(changing, temperature=300.0)
    assert seen.ensemble == "NPT"
    with pytest.raises(ObservableError, match="made in NPT"):
        estimate(DiffusionCoefficient("0.2 ps", "1 ps"), seen)
    with pytest.raises(SimulationError, match="cells change"):
        Trajectory.of_frames(changing, temperature=300.0, ensemble="NVT")


def test_frames_without_times_have_no_clock(tmp_path, data):
    frames = read(data, write_dump(tmp_path / "c.dump", walk()), timestep=None, every="unknown")
    with pytest.raises(ObservableError, match="do not tell"):
        estimate(MeanSquareDisplacement("1 ps"), Trajectory.of_frames(frames, temperature=300.0))


def test_units_of_the_dump_or_of_its_style(tmp_path, data):
    forces = np.ones((FRAMES, ATOMS, 3))
    stated = write_dump(
        tmp_path / "u.dump", walk(), columns="xu yu zu fx fy fz", extra=forces, head=["ITEM: UNITS", "real"]
    )
    frames = read_trajectory(data, stated, timestep="2 fs", constraints="none")
    np.testing.assert_allclose(frames.forces, 0.0433641, rtol=1e-5)
    with pytest.raises(DataError, match="states the units real, but units is 'metal'"):
        read_trajectory(data, stated, timestep="2 fs", constraints="none", units="metal")
    silent = write_dump(tmp_path / "s.dump", walk(), columns="xu yu zu fx fy fz", extra=forces)
    metal = read_trajectory(data, silent, timestep="2 fs", constraints="none", units="metal")
    np.testing.assert_allclose(metal.forces, 1.0)
    with pytest.raises(DataError, match="no style of units with fixed sizes"):
        read_trajectory(data, silent, units="lj")
    reduced = write_dump(tmp_path / "lj.dump", walk(), head=["ITEM: UNITS", "lj"])
    with pytest.raises(DataError, match="does not state the unit of its lengths"):
        read_trajectory(data, reduced, timestep="2 fs")


@pytest.mark.parametrize("place", ["above", "each"])
def test_times_that_the_dump_states_need_no_time_step(tmp_path, data, place):
    # LAMMPS writes the time above the step, other programs below it.
    dump = write_dump(
        tmp_path / "t.dump",
        walk(),
        head=["ITEM: UNITS", "metal"],
        **{place: lambda frame: ["ITEM: TIME", str(0.25 * frame)]},
    )
    np.testing.assert_allclose(read_trajectory(data, dump).times, 250.0 * np.arange(FRAMES))


def test_directions_that_are_not_periodic(tmp_path, data):
    frames = read(data, write_dump(tmp_path / "slab.dump", walk(), flags="pp pp ff"))
    np.testing.assert_array_equal(frames.periodic, [True, True, False])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("id type", "mol type"), "no column id"),
        (lambda text: text.replace("0.0000000000 8.0000000000", "8.0 8.0", 1), "frame 0: .*its box has no volume"),
        (
            lambda text: text.replace("ITEM: NUMBER OF ATOMS\n8\n", "ITEM: NUMBER OF ATOMS\n8\nITEM: TIMESTEP\n7\n", 1),
            "frame 0: damaged",
        ),
        (lambda text: text.replace("xu yu zu", "vx vy vz"), "no columns of positions"),
        (
            lambda text: text[: int(0.99 * len(text))].rsplit("\n", 1)[0] + "\n",
            rf"frame {FRAMES - 1}: damaged or",
        ),
        (lambda text: text.replace("\n8 1 ", "\n9 1 ", 1), "ids of its atoms are not those of the topology"),
        (lambda text: text.replace("\n8 1 ", "\n7 1 ", 1), "same id"),
        (
            lambda text: text.replace("\n8 1 ", "\n8 2 ", 2).replace("\n8 2 ", "\n8 1 ", 1),
            "frame 1: the type of atoms differ",
        ),
    ],
)
def test_damaged_dumps_are_refused(tmp_path, data, change, words):
    dump = write_dump(tmp_path / "run.dump", walk())
    dump.write_text(change(dump.read_text()))
    with pytest.raises(DataError, match=words):
        read(data, dump)


@pytest.mark.parametrize("style", ["atomic", "charge", "molecular", "full"])
def test_data_files_of_every_style(tmp_path, style):
    dump = write_dump(tmp_path / "run.dump", walk())
    named = read(write_data(tmp_path / "atoms.lmp", style, comment=style), dump)
    np.testing.assert_array_equal(named.species, [18] * ATOMS)
    bonds = "5 bonds" if style == "molecular" else ""
    deduced = read(write_data(tmp_path / "data.argon", style, counts=bonds), dump)
    np.testing.assert_array_equal(deduced.species, [18] * ATOMS)


def test_styles_that_cannot_be_deduced_are_asked_for(tmp_path):
    dump = write_dump(tmp_path / "run.dump", walk())
    either = write_data(tmp_path / "a.data", rows=[f"{atom + 1} 1 1 1.0 2.0 3.0" for atom in range(ATOMS)])
    with pytest.raises(DataError, match="6 columns fit charge and molecular: give atom_style"):
        read(either, dump)
    np.testing.assert_array_equal(read(either, dump, atom_style="charge").species, [18] * ATOMS)
    with pytest.raises(DataError, match="did you mean 'atomic'"):
        read(either, dump, atom_style="atomc")
    with pytest.raises(DataError, match="is for data files"):
        read(dump, dump, atom_style="full")


@pytest.mark.parametrize(
    ("mass", "number"),
    [("39.948", 18), ("40.078", 20), ("1.0", None), ("14.027", None), ("14.01", 7), ("12.0", 6), ("2.014", 1)],
)
def test_elements_of_masses(tmp_path, mass, number):
    """United atoms (CH2 is 14.027) and reduced units are no elements."""
    dump = write_dump(tmp_path / "run.dump", walk())
    data = write_data(tmp_path / "a.data", mass=mass)
    if number is None:
        with pytest.raises(DataError, match="no masses that are those of elements"):
            read(data, dump)
        return
    frames = read(data, dump)
    np.testing.assert_array_equal(frames.species, [number] * ATOMS)
    np.testing.assert_allclose(frames.masses, float(mass))


def test_a_dump_is_its_own_topology(tmp_path):
    elements = [[["Si" if atom % 2 else "C"] for atom in range(ATOMS)]] * FRAMES
    dump = write_dump(tmp_path / "run.dump", walk(), columns="xu yu zu element", extra=elements)
    frames = read(dump, dump)
    np.testing.assert_array_equal(frames.species, [6, 14] * (ATOMS // 2))
    part = read(dump, dump, select="type 1 and element Si")
    np.testing.assert_array_equal(part.species, [14] * (ATOMS // 2))
    np.testing.assert_array_equal(part.positions, frames.positions[:, 1::2])


@pytest.mark.parametrize("style", ["atomic", "charge", "molecular", "full"])
def test_structures_of_data_files_have_the_elements_of_their_masses(tmp_path, style):
    bonds = "5 bonds" if style == "molecular" else ""
    structure = read_structure(write_data(tmp_path / "a.data", style, counts=bonds))
    np.testing.assert_array_equal(structure.species, [18] * ATOMS)
    np.testing.assert_allclose(structure.positions, [[1.0, 2.0, 3.0]] * ATOMS)
    for mass in ("14.027", "1.0"):
        with pytest.raises(DataError, match="no masses that are those of elements"):
            read_structure(write_data(tmp_path / "b.lammps-data", style, mass=mass, comment=style))
    silent = write_data(tmp_path / "c.lammps-data", style, comment=style)
    silent.write_text(silent.read_text().replace("Masses\n\n1 39.948\n\n", ""))
    with pytest.raises(DataError, match="so that its types mean nothing"):
        read_structure(silent)


def with_times(frame):
    return ["ITEM: TIME", str(0.002 * STEPS[frame])]


def test_what_a_dump_states_and_what_is_given_must_agree(tmp_path, data):
    forces = np.ones((FRAMES, ATOMS, 3))
    dump = write_dump(
        tmp_path / "m.dump",
        walk(),
        columns="xu yu zu fx fy fz",
        extra=forces,
        head=["ITEM: UNITS", "metal"],
        above=with_times,
    )

    def opened(**options):
        return read_trajectory(data, dump, constraints="none", **options)

    np.testing.assert_allclose(opened(timestep="2 fs", length_unit="angstrom").times, 2.0 * STEPS)
    with pytest.raises(DataError, match="a time step takes 2 fs, but timestep is '5 fs': leave timestep out"):
        opened(timestep="5 fs")
    with pytest.raises(DataError, match="is in Å, but length_unit is 'nm': leave length_unit out"):
        opened(length_unit="nm")
    with pytest.raises(DataError, match="is in eV/Å, but force_unit is 'kcal/mol/Å': leave force_unit out"):
        opened(force_unit="kcal/mol/Å")
    silent = write_dump(tmp_path / "s.dump", walk())
    with pytest.raises(DataError, match="is in Å, but length_unit is 'nm'"):
        read(data, silent, units="real", length_unit="nm")


@pytest.mark.parametrize("columns", ["x y z", "xsu ysu zsu", "x y z ix iy iz"])
def test_boxes_that_shrink_around_a_cluster_move_no_atoms_and_are_no_cells(tmp_path, data, columns):
    positions = walk(length=0.1)
    low, high = positions.min(axis=1) - 0.01, positions.max(axis=1) + 0.01
    inside = (positions - low[:, None]) / (high - low)[:, None] if "xsu" in columns else positions
    flags = np.zeros((FRAMES, ATOMS, 3), int) if "ix" in columns else None
    dump = write_dump(tmp_path / "s.dump", inside, columns=columns, extra=flags)
    lines = dump.read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("ITEM: BOX")]
    for start, first, last in zip(starts, low, high, strict=True):
        lines[start : start + 4] = [
            "ITEM: BOX BOUNDS ss ss ss",
            *(f"{a} {b}" for a, b in zip(first, last, strict=True)),
        ]
    dump.write_text("\n".join(lines) + "\n")
    frames = read(data, dump)
    np.testing.assert_allclose(frames.positions, positions, atol=1e-5)
    seen = Trajectory.of_frames(frames, temperature=300.0)
    assert seen.ensemble == "NVT"
    assert Trajectory.of_frames(frames, temperature=300.0, ensemble="NVE").ensemble == "NVE"
    assert estimate(MeanSquareDisplacement("1 ps"), seen).value[1] == pytest.approx(0.03, rel=0.3)


def test_remedies_are_those_that_the_file_allows_and_frames_are_those_of_the_file(tmp_path, data):
    dump = write_dump(tmp_path / "run.dump", walk(), steps=np.delete(np.arange(FRAMES + 1) * 100, 40))
    with pytest.raises(DataError, match="the frames 39 and 40 are 400 fs apart") as refused:
        read(data, dump, frames=slice(2, None))
    assert "give every" not in str(refused.value)
    assert len(read(data, dump, frames=slice(2, None), gaps="keep")) == FRAMES - 2
    broken = walk()
    broken[5, 2, 0] = np.nan
    with pytest.raises(DataError, match=r"nan.dump, frame 5: the positions are not finite: choose other frames"):
        read(data, write_dump(tmp_path / "nan.dump", broken), frames=slice(2, None))
    good = write_dump(tmp_path / "good.dump", walk())
    cut = tmp_path / "cut.dump"
    cut.write_text(good.read_text()[:-100])
    with pytest.raises(DataError, match=rf"cut.dump, frame {FRAMES - 1}: .*frames=slice\(0, {2 * FRAMES - 1}\)"):
        read(data, [good, cut], every=None)


@pytest.mark.parametrize("columns", ["xu yu zu", "x y z ix iy iz"])
def test_positions_far_from_the_origin_keep_their_digits(tmp_path, data, columns):
    cells_away = 100_000
    near = walk(length=0.1)
    if "ix" in columns:
        inside, images = wrapped(near, CELL)
        images[..., 0] += cells_away
        dump = write_dump(tmp_path / "far.dump", inside, columns=columns, extra=images)
    else:
        dump = write_dump(tmp_path / "far.dump", near + cells_away * CELL[0], columns=columns)
    frames = read(data, dump)
    assert frames.positions.dtype == np.float64
    np.testing.assert_allclose(frames.positions - cells_away * CELL[0], near, atol=1e-6)
    assert read(data, write_dump(tmp_path / "near.dump", near)).positions.dtype == np.float32


@pytest.mark.parametrize(
    ("style", "given", "words"),
    [
        ("full", "atomic", "the style atomic has 5 columns, or 8 with image flags, but the atom 1 has 10"),
        ("atomic", "dipole", "the style dipole has 9 columns"),
        ("charge", "molecular", r"the row '1 1 0.5 .*has not the columns of the style molecular \(id, resid, type"),
    ],
)
def test_styles_must_have_the_columns_of_the_file(tmp_path, style, given, words):
    dump = write_dump(tmp_path / "run.dump", walk())
    with pytest.raises(DataError, match=words):
        read(write_data(tmp_path / "a.data", style), dump, atom_style=given)
    with pytest.raises(DataError, match=words):
        read(write_data(tmp_path / "b.data", style, comment=given), dump)


def test_types_and_image_flags_out_of_range_are_refused(tmp_path):
    dump = write_dump(tmp_path / "run.dump", walk())
    for row in ("{0} 1 2 0.5 1.0 2.0 3.0", "{0} 1 1 0.5 1.0 2.0 3.0 0 0 0.5", "{0} 1.5 1 0.5 1.0 2.0 3.0"):
        rows = [row.format(atom + 1) for atom in range(ATOMS)]
        with pytest.raises(DataError, match="has not the columns of the style full"):
            read(write_data(tmp_path / "a.data", rows=rows, comment="full"), dump)


def test_dumps_and_data_files_must_have_the_same_types_and_masses(tmp_path, data):
    dump = write_dump(tmp_path / "run.dump", walk())
    dump.write_text(re.sub(r"(?m)^3 1 ", "3 2 ", dump.read_text()))
    with pytest.raises(DataError, match="the type of the atom with id 3 is not that of the topology"):
        read(data, dump)
    heavier = write_dump(tmp_path / "m.dump", walk(), columns="xu yu zu mass", extra=np.full((FRAMES, ATOMS, 1), 41.0))
    with pytest.raises(DataError, match="the mass of the atom with id 1 is not that of the topology"):
        read(data, heavier)


def test_boxes_of_any_orientation_and_empty_files_are_one_sentence(tmp_path, data):
    dump = write_dump(tmp_path / "run.dump", walk())
    general = tmp_path / "general.data"
    head = "9 1 0 avec\n1 9 0 bvec\n0 1 9 cvec\n0 0 0 abc origin\n"
    general.write_text(re.sub(r"0 10 xlo.*?yz\n", head, data.read_text(), flags=re.DOTALL))
    for reading in (lambda: read(general, dump), lambda: read_structure(general)):
        with pytest.raises(DataError, match=r"general.data has a box of any orientation"):
            reading()
    empty = tmp_path / "empty.lammpstrj"
    empty.touch()
    for files in ((data, empty), (empty, dump)):
        with pytest.raises(DataError, match=r"empty.lammpstrj is empty: give a complete file"):
            read(*files)
    (tmp_path / "head.dump").write_text("ITEM: UNITS\nreal\n")
    with pytest.raises(DataError, match=r"head.dump holds no frames: give a complete dump"):
        read(tmp_path / "head.dump", dump)


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst"])
def test_compressed_dumps_that_are_cut_off_are_one_sentence(tmp_path, data, ending):
    import zstandard

    text = write_dump(tmp_path / "run.dump", walk()).read_bytes()
    compress = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    packed = zstandard.ZstdCompressor(write_checksum=True).compress(text) if ending == "zst" else compress[ending](text)
    path = tmp_path / f"run.lammpstrj.{ending}"
    path.write_bytes(packed)
    assert len(read(data, path)) == FRAMES
    for damaged in (packed[: len(packed) // 2], b"hello", packed[:50] + b"x" * 200 + packed[250:]):
        path.write_bytes(damaged)
        for files in ((data, path), (path, path)):
            with pytest.raises(
                DataError, match=rf"run.lammpstrj.{ending} cannot be read: the compressed data are damaged"
            ):
                read(*files)
