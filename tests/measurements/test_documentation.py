"""The examples of docs/measurements.md run, and give what the text says."""

import re
from pathlib import Path

import pytest
from ase.build import bulk
from ase.io import write

from mdfit.measurements import read

PAGE = Path(__file__).parents[2] / "docs" / "measurements.md"


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    write(tmp_path / "crystal.extxyz", bulk("C", cubic=True).repeat(3))
    rows = [f"{0.1 * i},1.0,0.02" for i in range(60)]
    header = next(line for line in block("text").splitlines() if line.startswith("r "))
    (tmp_path / "rdf.csv").write_text("\n".join([header.replace("nm", "Å"), *rows]))
    (tmp_path / "diamond.yaml").write_text(block("yaml"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_examples(in_folder, capsys):
    names = {"__name__": "__main__"}
    exec(compile(block("python"), str(PAGE), "exec"), names)
    assert float(capsys.readouterr().out) == pytest.approx(((9 / 5) ** 2 + (6 / 5) ** 2 + (8 / 5) ** 2) / 3)
    assert names["structure"].sigma == pytest.approx(0.02)
    from_file = read("diamond.yaml", at=names["room"])
    assert from_file.value.tolist() == names["constants"].value.tolist()
    assert from_file.doi == names["constants"].doi
