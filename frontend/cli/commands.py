"""The command line: `symfuse COMMAND …`, also as `python -m symfuse`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata

from symfuse.runtime.errors import SymfuseError

from .bench import add_bench
from .demo import add_demo
from .doctor import add_doctor
from .inspect import add_inspect
from .output import CLOSED, EXIT_CODES, FAILED, INTERRUPTED, answering, say, tell
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
    with answering(args.json):
        try:
            code = int(args.run(args))
            sys.stdout.flush()
        except BrokenPipeError:
            _let_go()
            code = CLOSED
        except KeyboardInterrupt:
            say("interrupted")
            code = INTERRUPTED
        except (SymfuseError, OSError) as error:
            tell(error, as_json=args.json)
            code = FAILED
    return code


def _let_go() -> None:
    """Have nothing more written to an output that is closed, not even when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)


if __name__ == "__main__":
    sys.exit(main())
