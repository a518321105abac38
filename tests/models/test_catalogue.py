"""The catalogue: every row has an example that reaches its bars, and a place in the pages."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import symfuse as sf
from symfuse.cli import main
from symfuse.examples.catalogue import ROWS, SECTIONS, example, find
from symfuse.examples.record import Record, Subject, at_least, at_most, equal, near

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "catalogue" / "results.json"
EVERY_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.module)
SMALLEST = 1 << 20  # bytes of all pictures together


@pytest.fixture(scope="module")
def results():
    return json.loads(RESULTS.read_text("utf-8"))


@EVERY_ROW
def test_catalogue(row):
    """In a reduced size it reaches its bars, eager as compiled, with the derivatives it says."""
    if row.needs and importlib.util.find_spec(row.needs) is None:
        pytest.skip(f"needs {row.needs}, which is not installed")
    record = example(row).run(True)
    assert record.holds, "\n".join(map(str, record.measures))
    assert record.subject.difference() < 1e-9
    record.subject.check_gradients()
    assert record.subject.graph().nodes


@EVERY_ROW
def test_every_row_has_a_record_that_reaches_its_bars(row, results):
    assert row.module in results, f"run: python tools/catalogue.py --run {row.name}"
    assert results[row.module]["ok"] and results[row.module]["measures"]
    assert results[row.module]["difference"] < 1e-9


def test_every_example_is_in_the_catalogue():
    files = {
        f"{path.parent.name}.{path.stem}"
        for section in SECTIONS
        for path in (ROOT / "examples" / section).glob("*.py")
        if path.stem != "__init__"
    }
    assert files == {row.module for row in ROWS}
    assert len({row.name for row in ROWS}) == len(ROWS), "names are unique without their section"


@EVERY_ROW
def test_examples_are_short_and_explain_themselves(row):
    text = (ROOT / "examples" / f"{row.module.replace('.', '/')}.py").read_text("utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) < 200
    assert ast.get_docstring(tree)
    assert "Subject(" in text and "main(run)" in text


def test_the_pages_are_what_the_tool_writes(results):
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "tools" / "catalogue.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert list(results) == [row.module for row in ROWS]
    for path, text in tool.pages(results).items():
        assert path.read_text("utf-8") == text, "run: python tools/catalogue.py"


def test_the_pictures_are_there_and_small(results):
    wanted = {result["picture"] for result in results.values() if "picture" in result}
    there = {path.name: path.stat().st_size for path in RESULTS.parent.glob("*.[ps][nv]g")}
    assert set(there) == wanted
    assert sum(there.values()) < SMALLEST


@EVERY_ROW
def test_the_graph_of_every_example_is_kept_as_text(row):
    text = (RESULTS.parent / "graphs" / f"{row.name}.sf").read_text("utf-8")
    assert sf.Graph.parse(text).nodes


# what examples hand back


@pytest.mark.parametrize(
    ("measure", "holds"),
    [
        (at_least("a", 0.9, 0.9), True),
        (at_least("a", 0.89, 0.9), False),
        (at_most("a", 0.1, 0.1), True),
        (at_most("a", float("nan"), 1), False),
        (equal("a", 26, 26), True),
        (equal("a", 25, 26), False),
        (near("a", [1.0, 2.0], [1.0, 2.1], 0.2), True),
        (near("a", [1.0, 2.0], [1.0, 2.1], 0.05), False),
    ],
)
def test_a_measure_says_whether_it_reaches_its_bar(measure, holds):
    assert measure.holds is holds
    assert ("FAILED" in str(measure)) is not holds


def test_values_of_different_shapes_are_not_near():
    with pytest.raises(ValueError, match=r"\(2,\) is compared with \(\)"):
        near("a", [1.0, 2.0], 1.0, 5)


def test_a_record_holds_where_all_measures_do():
    subject = Subject(lambda x: x, (1.0,))
    assert Record((at_least("a", 1, 0),), subject).holds
    assert not Record((at_least("a", 1, 0), at_least("b", 0, 1)), subject).holds


def test_examples_are_found_by_name_and_by_section():
    assert [row.module for row in find("gan")] == ["architectures.gan"]
    assert find("linear") == [row for row in ROWS if row.section == "linear"]
    assert find("all") == list(ROWS) and not find("nothing")


def test_an_example_is_a_script():
    path = ROOT / "examples" / "calculus" / "least_squares.py"
    ran = subprocess.run(
        [sys.executable, path, "--quick", "--json"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["ok"]


# the command


def zoo(capsys, *argv):
    code = main(["zoo", *map(str, argv)])
    return code, capsys.readouterr()


def test_the_zoo_lists_every_row(capsys):
    code, said = zoo(capsys)
    assert code == 0
    assert all(row.name in said.out and row.system in said.out for row in ROWS)
    code, said = zoo(capsys, "--json")
    assert [entry["name"] for entry in json.loads(said.out)] == [row.name for row in ROWS]


def test_the_zoo_runs_examples(capsys, tmp_path):
    names = ("decomposition", "least_squares")
    code, said = zoo(capsys, *names, "--quick", "--json", "--verify", "--pictures", tmp_path)
    found = json.loads(said.out)
    assert code == 0
    assert [result["name"] for result in found] == list(names)
    assert all(result["ok"] and result["compiled_difference"] < 1e-9 for result in found)
    assert [path.name for path in tmp_path.iterdir()] == ["decomposition.svg"]
    code, said = zoo(capsys, "decomposition", "--quick")
    assert code == 0 and "operations forward" in said.out


def test_the_zoo_says_what_fails(capsys, monkeypatch):
    broken = Record((at_least("a number", 0.5, 1),), Subject(lambda x: x, (1.0,)))
    monkeypatch.setattr("symfuse.examples.linear.perceptron.run", lambda quick: broken)
    code, said = zoo(capsys, "perceptron")
    assert code == 1 and "FAILED" in said.out
    code, said = zoo(capsys, "no_such_model")
    assert code == 1 and "the catalogue has no 'no_such_model'" in said.err


def test_the_zoo_names_a_missing_package(capsys, monkeypatch):
    def run(quick):
        raise ModuleNotFoundError("No module named 'nowhere'", name="nowhere")

    monkeypatch.setattr("symfuse.examples.linear.perceptron.run", run)
    code, said = zoo(capsys, "perceptron")
    assert code == 3 and "needs nowhere, which is not installed" in said.out
