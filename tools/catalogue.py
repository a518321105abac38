"""Write `docs/catalogue.md`, and with `--run` first run the examples and keep what they found.

python tools/catalogue.py                      # pages from docs/catalogue/results.json
python tools/catalogue.py --run                # run everything first (some minutes)
python tools/catalogue.py --run gan linear     # run some of it first
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from symfuse.examples.catalogue import ROWS, SECTIONS, Row, example, find
from symfuse.examples.record import short

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "catalogue"
RESULTS = FOLDER / "results.json"
DIFFERENCE = ": largest difference"

HEAD = """# The catalogue

Every system below is one short file: `linear.perceptron` is `examples/linear/perceptron.py`. It
runs compiled and eager with the same numbers, and its derivatives are compared with central
differences in both modes; `test_catalogue[linear.perceptron]` in `tests/models/test_catalogue.py`
runs it in a reduced size. *Measured* is what the file found in full size, and the bar that it must
reach.

```sh
symfuse zoo                    # the list
symfuse zoo gan --verify       # run one, and compare with eager results and differences
symfuse zoo all --quick        # run all of them in a reduced size
python examples/architectures/gan.py --quick
python tools/catalogue.py --run  # measure again and write these pages
```
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--run", nargs="*", metavar="NAME", help="examples or sections; all")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for row in dict.fromkeys(r for name in _wanted(args.run) for r in find(name)):
        results[row.module] = measured(row)
        write(results)
    known = write(results)
    for path, text in pages(known).items():
        path.write_text(text, "utf-8")
    return 0 if all(result["ok"] for result in known.values()) else 1


def write(results: dict[str, Any]) -> dict[str, Any]:
    """Keep the results, in the order of the rows; of rows that are gone, nothing."""
    known = {row.module: results[row.module] for row in ROWS if row.module in results}
    RESULTS.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return known


def _wanted(names: list[str] | None) -> list[str]:
    return [] if names is None else names or ["all"]


def measured(row: Row) -> dict[str, Any]:
    """Run an example in full size, verify it, and write its picture."""
    start = time.process_time()
    record = example(row).run(False)
    seconds = time.process_time() - start
    record.subject.check_gradients()
    difference = record.subject.difference()
    found = record.as_dict() | {"difference": difference}
    print(
        f"{row.module}: {seconds:.1f} s", *map(str, record.measures), sep="\n    ", file=sys.stderr
    )
    keep_graph(row, record)
    if record.picture:
        kind = "svg" if isinstance(record.picture, str) else "png"
        data = record.picture.encode() if kind == "svg" else record.picture
        found["picture"] = f"{row.name}.{kind}"
        (FOLDER / found["picture"]).write_bytes(data)
    return found


def keep_graph(row: Row, record: Any) -> None:
    """Write the graph of the function that the example is about, without the lines it came from."""
    text = re.sub(r"  # \S+:\d+.*$", "", str(record.subject.graph()), flags=re.MULTILINE)
    path = FOLDER / "graphs" / f"{row.name}.sf"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n", "utf-8")


def pages(results: dict[str, Any]) -> dict[Path, str]:
    """The page with the table, and a page with pictures for each section."""
    table = [HEAD]
    for section, title in SECTIONS.items():
        rows = [row for row in ROWS if row.section == section and row.module in results]
        table += [f"\n## {title}\n", "| System | Example | Measured |", "|---|---|---|"]
        table += [_line(row, results[row.module]) for row in rows]
    listed = "\n".join(f"catalogue/{section}" for section in SECTIONS)
    table.append(f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n")
    written = {ROOT / "docs" / "catalogue.md": "\n".join(table)}
    for section, title in SECTIONS.items():
        written[FOLDER / f"{section}.md"] = _gallery(section, title, results)
    return written


def _line(row: Row, result: dict[str, Any]) -> str:
    measures = "<br>".join(_measures(result["measures"])).replace("|", "\\|")
    return f"| [{row.system}](#{_label(row)}) | `{row.module}` | {measures} |"


def _label(row: Row) -> str:
    return f"example-{row.name.replace('_', '-')}"


def _measures(measures: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each measure, and one for all differences that have the same bar."""
    apart = [measure for measure in measures if not measure["name"].endswith(DIFFERENCE)]
    for measure in apart:
        yield _measure(measure["name"], measure["value"], measure)
    alike = [measure for measure in measures if measure not in apart]
    for bar in dict.fromkeys(measure["bar"] for measure in alike):
        found = [measure for measure in alike if measure["bar"] == bar]
        names = ", ".join(measure["name"].removesuffix(DIFFERENCE) for measure in found)
        yield _measure(f"difference: {names}", max(m["value"] for m in found), found[0])


def _measure(name: str, value: float, measure: dict[str, Any]) -> str:
    return f"{name}: **{short(value)}** ({measure['relation']}\u00a0{short(measure['bar'])})"


def _gallery(section: str, title: str, results: dict[str, Any]) -> str:
    """Each example of a section: what it says of itself, its picture, the graph of its function."""
    parts = [f"# {title}\n"]
    for row in ROWS:
        if row.section == section and row.module in results:
            parts += _entry(row, results[row.module])
    return "\n".join(parts)


def _entry(row: Row, result: dict[str, Any]) -> list[str]:
    doc = " ".join((example(row).__doc__ or "").split()).replace("*", "\\*").replace("_", "\\_")
    eager = f"Compiled and eager results differ by {result['difference']:.1e} of the largest value"
    lines = [f"({_label(row)})=\n", f"## {row.system}\n", f"{doc}\n"]
    lines += [f"{eager} (`symfuse zoo {row.name} --verify`).\n"]
    if "picture" in result:
        lines += [f"![{row.system}]({result['picture']})\n"]
    return [*lines, f"```{{graph}} catalogue/graphs/{row.name}.sf\n```\n"]


if __name__ == "__main__":
    raise SystemExit(main())
