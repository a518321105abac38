"""From the lines of all contenders to one result and its table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .cases import cases

__all__ = ["read", "rehearsed", "result", "table"]

Line = dict[str, Any]
NAMES = {"own": "symfuse"}
COPY = "limits: copy on the device"
OURS = ("symfuse", "symfuse graph")
ASIDE = (*OURS, "symfuse generated", "cuBLASLt")
TIME = ("seconds", "least", "most", "repetitions")


def read(paths: Iterable[Path]) -> list[Line]:
    """All lines; a last one that was cut off is left out."""
    lines = []
    for path in paths:
        for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                lines.append(json.loads(text))
            except ValueError:
                continue
    return lines


def result(lines: list[Line], tiny: bool) -> dict[str, Any]:
    """Everything that was found, by case."""
    facts: dict[str, Any] = {"versions": {}, "absent": {}}
    for line in lines:
        facts["versions"].update(line.get("versions", {}))
        facts.update({k: line[k] for k in ("device", "arch", "driver") if k in line})
        if "absent" in line:
            facts["absent"][line["side"]] = line["absent"]
    told = [line for line in lines if "case" in line]
    copies = [x["bytes"] / x["seconds"] for x in told if x["case"].startswith(COPY)]
    facts["copy"] = max(copies, default=None)
    known = {case.name: case for case in cases(tiny) if not case.generated}
    names = list(dict.fromkeys(line["case"] for line in told))
    place = {name: at for at, name in enumerate(known)}
    ordered = sorted(names, key=lambda name: place.get(_parent(name, place), -1))
    rows = [_row(n, [x for x in told if x["case"] == n], known.get(n)) for n in ordered]
    for row in rows:
        _compare(row, facts["copy"])
    checked = [row for row in rows if row["section"] == "check"]
    facts["checks"] = {
        "passed": sum(not row["failed"] for row in checked),
        "failed": {row["case"]: row["failed"] for row in checked if row["failed"]},
    }
    facts["cases"] = [row for row in rows if row["section"] != "check"]
    facts["wrong"] = [row["case"] for row in rows if "wrong" in str(row["failed"])]
    return facts


def rehearsed(found: dict[str, Any]) -> dict[str, Any]:
    """What a run without a GPU shows: which cases ran, for whom; its times mean nothing."""
    told = {"rehearsal": "on a simulated device and the processor, with small sizes: no times"}
    kept = ("versions", "absent", "device", "checks", "wrong")
    cases = [
        {
            "case": row["case"],
            "ran": sorted(row["seconds"]),
            **{kind: row[kind] for kind in ("failed", "skipped") if row[kind]},
        }
        for row in found["cases"]
    ]
    return {**told, **{name: found[name] for name in kept if name in found}, "cases": cases}


def _parent(name: str, known: Iterable[str]) -> str:
    """The case that a line belongs to; some have more than one, such as "…, data from the host"."""
    return max((each for each in known if name.startswith(each)), key=len, default=name)


def _row(name: str, lines: list[Line], case: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"case": name, "section": name.partition(":")[0], "seconds": {}}
    row |= {"failed": {}, "skipped": {}}
    if case is not None:
        row |= {"bytes": case.nbytes, "flops": case.flops}
    for line in lines:
        contender = line["contender"]
        for kind in ("failed", "skipped"):
            if kind in line:
                row[kind][contender] = line[kind]
        if "seconds" in line:
            row["seconds"][contender] = {k: line[k] for k in TIME}
            row |= {k: line[k] for k in ("bytes", "node") if k in line}
        more = {
            k: v
            for k, v in line.items()
            if k not in (*TIME, "side", "at", "case", "contender", "failed", "skipped")
        }
        if more:
            row.setdefault("facts", {})[contender] = more
        error, tolerance = line.get("error"), line.get("tolerance")
        if error is not None and not error <= tolerance:
            row["failed"][contender] = f"wrong: error {error:.1e} above {tolerance:.0e}"
    return row


def _compare(row: dict[str, Any], copy: float | None) -> None:
    """Add how near the copy our time comes, and how the best of the others stands to it."""
    seconds = {k: v["seconds"] for k, v in row["seconds"].items() if k not in row["failed"]}
    ours = min((seconds[k] for k in OURS if k in seconds), default=None)
    peers = {k: v for k, v in seconds.items() if k not in ASIDE}
    if ours:
        row["ours"] = ours
        if copy and row.get("bytes"):
            row["of_copy"] = row["bytes"] / copy / ours
    if peers:
        row["best_peer"] = min(peers, key=lambda name: peers[name])
        if ours:
            row["ratio"] = peers[row["best_peer"]] / ours


def table(found: dict[str, Any]) -> str:
    """The result for reading: a line for each case."""
    checks, absent = found["checks"], found["absent"].items()
    device = f"{found.get('device', 'no device')} ({found.get('arch', '–')})"
    lines = [
        f"{device}, {', '.join(f'{k} {v}' for k, v in found['versions'].items())}",
        f"checks: {checks['passed']} right, {len(checks['failed'])} wrong",
        *(f"  WRONG {name}: {why}" for name, why in checks["failed"].items()),
        *(f"{NAMES.get(side, side)} did not take part: {why}" for side, why in absent),
        "",
        f"{'case':54}{'symfuse':>10}{'rate':>12}{'copy':>6}  {'best peer':>22}{'ratio':>7}",
    ]
    for row in found["cases"]:
        lines += _shown(row)
    return "\n".join(lines)


def _shown(row: dict[str, Any]) -> list[str]:
    ours, best = row.get("ours"), row.get("best_peer")
    share = f"{100 * row['of_copy']:.0f} %" if "of_copy" in row else ""
    peer = f"{best} {_micro(row['seconds'][best]['seconds'])}" if best else ""
    ratio = f"{row['ratio']:.2f}" if "ratio" in row else ""
    cells = [f"{row['case'][:53]:54}{_micro(ours):>10}{_rate(row, ours):>12}{share:>6}"]
    cells.append(f"  {peer[:34]:>22}{ratio:>7}")
    notes = []
    if generated := row["seconds"].get("symfuse generated"):
        seconds = generated["seconds"]
        notes.append(f"    generated: {_micro(seconds)}, {_rate(row, seconds).strip()}")
    library = row.get("facts", {}).get("cuBLASLt", {})
    if library:
        notes.append(f"    first recommendation / best: {library['first_over_best']:.2f}")
    for kind in ("failed", "skipped"):
        notes += [f"    {who} {kind}: {why[:90]}" for who, why in row[kind].items()]
    return ["".join(cells).rstrip(), *notes]


def _micro(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1e6 * seconds:.1f} µs"


def _rate(row: dict[str, Any], seconds: float | None) -> str:
    """Operations a second where a case computes much for its bytes, else bytes a second."""
    if not seconds:
        return ""
    flops, nbytes = row.get("flops", 0), row.get("bytes", 0)
    if flops:
        return f"{flops / seconds / 1e12:.1f} TF/s"
    return f"{nbytes / seconds / 1e9:.0f} GB/s" if nbytes else ""
