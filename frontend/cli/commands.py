"""The command line: `symfuse COMMAND …`, also as `python -m symfuse`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata

from symfuse.runtime.errors import SymfuseError

from .bench import add_bench
from .demo import add_demo
from .doctor import add_doctor
from .inspect import add_inspect
from .output import EXIT_CODES, FAILED, say
from .play import add_play
from .zoo import add_zoo

__all__ = ["main", "parser"]


def parser() -> argparse.ArgumentParser:
    """The arguments of all commands."""
    whole = argparse.ArgumentParser(
        prog="symfuse",
        description="A symbolic graph compiler for NumPy code.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=metadata.version("symfuse"))
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for add in (add_demo, add_inspect, add_bench, add_doctor, add_play, add_zoo):
        add(commands, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code says what came of it."""
    args = parser().parse_args(argv)
    try:
        return int(args.run(args))
    except (SymfuseError, OSError) as error:
        say(error)
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
