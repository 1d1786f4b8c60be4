"""Measurements in CSV and YAML files."""

import numpy as np
import pytest
import yaml

from mdfit.errors import MeasurementError, UnitError
from mdfit.measurements import Measurement, read
from mdfit.observables import ADF, RDF, Density, ElasticConstants, Pressure

CURVE = RDF("8 Å", bins=80)


@pytest.fixture
def file(tmp_path):
    """``file(name, content)``: the path of a file of that text, or of a document as YAML."""

    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True))
        return path

    return write


def table(columns, *rows):
    return "# measured somewhere\n" + "\n".join(
        [columns, *(",".join(map(repr, row)) for row in zip(*rows, strict=True))]
    )


def smooth(r):
    return 1 + np.sin(r) * np.exp(-r / 4)


def test_curve_in_other_units_on_the_grid_of_the_observable(file, state):
    r = np.linspace(0, 9, 61).tolist()
    path = file(
        "rdf.csv",
        table(
            "r (nm),g,standard_uncertainty",
            [x / 10 for x in r],
            [float(smooth(x)) for x in r],
            [0.01 + 0.02 * x for x in r],
        ),
    )
    measured = Measurement(CURVE, path, state())
    np.testing.assert_allclose(measured.value, smooth(CURVE.grid), atol=2e-4)
    np.testing.assert_allclose(measured.sigma, 0.01 + 0.02 * CURVE.grid)
    assert float(measured.chi_square(measured.value + measured.sigma)) == pytest.approx(1)
    # A weight takes the place of the uncertainty in the file.
    weighted = Measurement(CURVE, str(path), state(), weight=2)
    assert weighted.sigma is None
    assert float(weighted.chi_square(weighted.value + 0.1)) == pytest.approx(0.02)


def test_unit_of_the_values(file, state):
    angles = ADF("3 Å", bins=18)
    degrees = np.arange(0, 181, 10.0).tolist()
    path = file("adf.csv", table("angle (deg),p (1/deg)", degrees, [x / 16200 for x in degrees]))
    measured = Measurement(angles, path, state(), weight=1)
    np.testing.assert_allclose(measured.value, angles.grid * 2 / np.pi**2)


def test_values_on_the_grid_are_taken_as_they_are(file, state):
    noise = np.random.default_rng(0).random(80).tolist()
    path = file("rdf.csv", table("r (Å),g", CURVE.grid.tolist(), noise))
    np.testing.assert_array_equal(Measurement(CURVE, path, state(), sigma=1).value, noise)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table("r (nm),g", [0.1, 0.9], [1.0, 1.0]), r"reaches from 1 to 9 Å, but RDF needs 0.05 to 7.95 Å"),
        (table("r (nm),g", [0.0, 0.7], [1.0, 1.0]), r"reaches from 0 to 7 Å"),
        (table("r,g", [0.0, 9.0], [1.0, 1.0]), r"column 'r' has no unit.*name \(Å\)"),
        (table("r (eV),g", [0.0, 9.0], [1.0, 1.0]), r"column 'r \(eV\)'.*an energy, but a length"),
        (table("r (Ångström),g", [0.0, 9.0], [1.0, 1.0]), "unknown"),
        (table("r (Å),g,h", [0.0, 9.0], [1.0, 1.0], [1.0, 1.0]), "columns r .Å., g, h, but needs two or three"),
        (table("r (Å),g", [9.0, 0.0], [1.0, 1.0]), "must increase, but does not after its row 1"),
        ("r (Å),g\n0,1\n4,x\n9,1\n", r"line 3 needs 2 finite numbers, but is '4,x'"),
        ("r (Å),g\n0,1\n# comment\n4,nan\n9,1\n", r"line 4 needs 2 finite numbers"),
        ("r (Å),g\n0,1\n4\n9,1\n", r"line 3 needs 2 finite numbers"),
        ("0,1\n4,1\n9,1\n", "has no header"),
        ("", "holds no curve"),
    ],
)
def test_tables_with_mistakes(file, state, content, message):
    path = file("rdf.csv", content)
    with pytest.raises(MeasurementError, match=f"rdf.csv.*{message}"):
        Measurement(CURVE, path, state(), sigma=1)


def test_a_table_is_a_curve(file, state, tmp_path):
    with pytest.raises(MeasurementError, match=r"p.csv is a table, but Pressure is no curve"):
        Measurement(Pressure(), file("p.csv", "r,g\n"), state(), sigma=1)
    with pytest.raises(MeasurementError, match=r"missing.csv cannot be read"):
        Measurement(CURVE, tmp_path / "missing.csv", state(), sigma=1)
    with pytest.raises(MeasurementError, match=r"rdf.csv does not say of what"):
        read(file("rdf.csv", "r,g\n"), state())
    with pytest.raises(MeasurementError, match=r"rdf.txt is neither CSV nor YAML"):
        Measurement(CURVE, file("rdf.txt", "r,g\n"), state(), sigma=1)


def test_document_names_its_observable(file, state):
    path = file(
        "diamond.yaml",
        {
            "observable": {"ElasticConstants": {"symmetry": "cubic"}},
            "values": {"C11": 1079, "C44": "0.578 TPa", "C12": 124},
            "standard_uncertainty": "5 GPa",
            "unit": "GPa",
            "temperature": "298 K",
            "pressure": "1 atm",
            "doi": "10.1063/1.1661636",
            "note": "at room temperature",
        },
    )
    measured = read(path, state(temperature=298.15))
    assert measured.observable == ElasticConstants()
    np.testing.assert_allclose(measured.value, [1079, 124, 578])
    np.testing.assert_allclose(measured.sigma, [5, 5, 5])
    assert measured.doi == "10.1063/1.1661636"
    np.testing.assert_allclose(read(path, state(temperature=298.15), sigma="2 GPa").sigma, 2)
    assert read(path, state(temperature=298.15), weight=3).weight.tolist() == [3, 3, 3]
    with pytest.raises(MeasurementError, match=r"measured at 298 K, but the state point is at 350 K"):
        read(path, state(temperature=350.0))
    with pytest.raises(MeasurementError, match=r"is a measurement of ElasticConstants, not of Pressure"):
        Measurement(Pressure(), path, state())


def test_document_with_a_table_beside_it(file, state):
    file("rdf.csv", table("r (Å),g", CURVE.grid.tolist(), smooth(CURVE.grid).tolist()))
    path = file(
        "rdf.yaml",
        {"observable": {"RDF": {"r_max": "0.8 nm", "bins": 80}}, "values": "rdf.csv", "standard_uncertainty": 0.02},
    )
    measured = read(path, state())
    np.testing.assert_allclose(measured.value, smooth(CURVE.grid))
    np.testing.assert_allclose(measured.sigma, 0.02)


def test_pressure_of_a_document(file, state):
    path = file("density.yaml", {"observable": "Density", "values": "0.997 g/cm^3", "pressure": "1 atm"})
    assert read(path, state(pressure=1.0), sigma=0.01).observable == Density()
    with pytest.raises(MeasurementError, match=r"measured at 1.01325 bar, but the state point is at 500 bar"):
        read(path, state(pressure=500.0), sigma=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"observable": "Presure", "values": "1 bar"}, "no observable 'Presure': did you mean 'Pressure'"),
        ({"observable": {"RDF": {"rmax": 3}}, "values": [1]}, "RDF takes no argument 'rmax': did you mean 'r_max'"),
        ({"observable": "RDF", "values": [1]}, "RDF needs the argument 'r_max'"),
        ({"observable": {"RDF": {"r_max": "3 eV"}}, "values": [1]}, "r_max is '3 eV'"),
        ({"observable": ["RDF", 3], "values": [1]}, "names no observable; write its name"),
        ({"values": "1 bar"}, "names no observable; add one"),
        ({"observable": "Pressure"}, "has no values"),
        ({"observable": "Pressure", "values": 1}, "numbers without a unit; add one, such as unit: bar"),
        ({"observable": "Pressure", "values": "1 bar", "standard_uncertainty": 1}, "numbers without a unit"),
        ({"observable": "Pressure", "values": 1, "units": "bar"}, "unknown key 'units': did you mean 'unit'"),
        ({"observable": "Pressure", "values": "1 bar", "temperature": "300 bar"}, "temperature is '300 bar'"),
        ({"observable": "Pressure", "values": 1, "unit": 3}, "has unit: 3, which it cannot be"),
        ({"observable": "Pressure", "values": 1, "unit": " "}, "has unit: ' ', which it cannot be"),
        ({"observable": "Pressure", "values": "1 bar", "doi": [1]}, "has doi: .1., which it cannot be"),
        ({"observable": "Pressure", "values": None}, "has no values"),
        ("observable: [", "line 2: not valid YAML"),
        ("- Pressure", "holds no measurement"),
    ],
)
def test_documents_with_mistakes(file, state, content, message):
    with pytest.raises(MeasurementError, match=f"wrong.yaml.*{message}"):
        read(file("wrong.yaml", content if isinstance(content, dict) else content + "\n"), state(), weight=1)


def test_unit_of_a_document(file, state):
    path = file("p.yaml", {"observable": "Pressure", "values": 1, "standard_uncertainty": 0.1, "unit": "eV"})
    with pytest.raises(
        UnitError, match=r"value of Pressure in .*p.yaml is '1 eV', which is an energy, but a pressure is needed"
    ):
        read(path, state())
