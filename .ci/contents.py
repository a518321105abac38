"""Compare the files in a built wheel and sdist with those in the folders they are made from."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

FOLDERS = {
    "frontend": "symfuse",
    "compiler": "symfuse/compiler",
    "runtime": "symfuse/runtime",
    "examples": "symfuse/examples",
}


def main(dist: Path) -> int:
    """Print each difference; the exit status says whether there is one."""
    wheel, sdist = next(dist.glob("*.whl")), next(dist.glob("*.tar.gz"))
    found = [
        *_differences(wheel.name, set(_sources(FOLDERS)), _in_wheel(wheel)),
        *_differences(sdist.name, set(_sources({f: f for f in FOLDERS})), _in_sdist(sdist)),
    ]
    print("\n".join(found) or f"{wheel.name} and {sdist.name} hold what the folders hold")
    return bool(found)


def _sources(names: dict[str, str]) -> list[str]:
    return [
        f"{name}/{path.relative_to(folder).as_posix()}"
        for folder, name in names.items()
        for path in Path(folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.startswith("symfuse/")}


def _in_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        files = [entry.name.partition("/")[2] for entry in archive if entry.isfile()]
    return {name for name in files if name.partition("/")[0] in FOLDERS}


def _differences(where: str, expected: set[str], actual: set[str]) -> list[str]:
    missing = [f"{where} lacks {name}" for name in sorted(expected - actual)]
    return missing + [f"{where} has {name} as well" for name in sorted(actual - expected)]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
