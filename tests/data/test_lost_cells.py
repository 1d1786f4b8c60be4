"""Cells that files state and MDAnalysis does not read."""

from types import SimpleNamespace

import numpy as np
import pytest

from mdfit.data import read_trajectory
from mdfit.data.lost_cells import lost_cells
from mdfit.errors import DataError

FRAMES, ATOMS = 3, 4
POSITIONS = np.random.default_rng(0).random((FRAMES, ATOMS, 3)) * 5 + 1


def crystal(edge, angle=90.0):
    return f"CRYST1{edge:9.3f}{edge:9.3f}{edge:9.3f}{angle:7.2f}{angle:7.2f}{angle:7.2f} P 1           1\n"


def write(path, before=None, inside=lambda frame: ""):
    """Models, with records before all of them and at the start of each."""
    text = before or ""
    for frame, where in enumerate(POSITIONS):
        text += f"MODEL     {frame + 1:4d}\n{inside(frame)}"
        for atom, (x, y, z) in enumerate(where):
            text += f"ATOM  {atom + 1:5d}  AR  AR  A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          AR\n"
        text += "ENDMDL\n"
    path.write_text(text + "END\n")
    return path


def cells(path, topology=None):
    return read_trajectory(topology or path, path, every="1 ps")


def test_one_cell_for_all_models(tmp_path):
    frames = cells(write(tmp_path / "one.pdb", crystal(12.0)))
    np.testing.assert_allclose(frames.cells, 12.0 * np.broadcast_to(np.eye(3), (FRAMES, 3, 3)), atol=1e-5)
    assert frames.periodic.all()


def test_a_cell_for_each_model(tmp_path):
    own = write(tmp_path / "own.pdb", inside=lambda frame: crystal(12.0 + frame))
    np.testing.assert_allclose(cells(own).cells[:, 0, 0], [12, 13, 14])
    # Another one in the header, as in files that were put together.
    both = write(tmp_path / "both.pdb", crystal(50.0), inside=lambda frame: crystal(12.0 + frame))
    np.testing.assert_allclose(cells(both).cells[:, 0, 0], [12, 13, 14])


def test_cells_of_some_models_are_refused_and_placeholders_are_none(tmp_path):
    some = write(tmp_path / "some.pdb", crystal(12.0), inside=lambda frame: crystal(9.0) if frame == 2 else "")
    with pytest.raises(DataError, match="has 2 records CRYST1 before the atoms of 3 models"):
        cells(some)
    assert not cells(write(tmp_path / "none.pdb")).periodic.any()
    assert not cells(write(tmp_path / "unit.pdb", crystal(1.0))).periodic.any()
    with pytest.raises(DataError, match="is no cell: correct the record"):
        cells(write(tmp_path / "odd.pdb", crystal(12.0).replace("12.000", "xx.xxx")))


@pytest.mark.parametrize("velocities", [False, True])
@pytest.mark.parametrize("box", [None, (12.0, 13.0, 14.0, 90.0, 80.0, 90.0), (12.0, 13.0, 14.0)])
def test_restart_files_of_amber(tmp_path, velocities, box):
    def row(numbers):
        return "".join(f"{number:12.7f}" for number in numbers) + "\n"

    text = f"title\n{ATOMS}  0.5\n" + "".join(row(six) for six in POSITIONS[0].reshape(-1, 6))
    text += "".join(row(six) for six in np.ones((2, 6))) if velocities else ""
    (tmp_path / "a.inpcrd").write_text(text + (row(box) if box else ""))
    frames = cells(tmp_path / "a.inpcrd", write(tmp_path / "top.pdb"))
    np.testing.assert_allclose(frames.positions[0], POSITIONS[0], atol=1e-5)
    assert frames.periodic.all() == (box is not None)
    if box:
        np.testing.assert_allclose(np.linalg.norm(frames.cells[0], axis=1), box[:3], rtol=1e-5)
        assert frames.cells[0, 2, 0] == pytest.approx(14 * np.cos(np.deg2rad(80)) if len(box) == 6 else 0, abs=1e-4)


@pytest.mark.parametrize("angle", [90.0, 109.4712190])
def test_angles_that_amber_keeps_in_the_topology(tmp_path, angle):
    """A text trajectory has edges only, which MDAnalysis puts at right angles."""
    topology = tmp_path / "a.prmtop"
    topology.write_text(
        f"%VERSION\n%FLAG BOX_DIMENSIONS\n%FORMAT(5E16.8)\n{angle:16.8E}{20:16.8E}{20:16.8E}{20:16.8E}\n"
    )
    reader = SimpleNamespace(format=["TRJ", "MDCRD", "CRDBOX"], ts=SimpleNamespace(dimensions=[20, 20, 20, 90, 90, 90]))
    if angle == 90.0:
        assert lost_cells(tmp_path / "run.mdcrd", reader, topology) is None
    else:
        with pytest.raises(DataError, match=r"run.mdcrd states the edges .* an angle of 109.471 degrees: convert"):
            lost_cells(tmp_path / "run.mdcrd", reader, topology)
