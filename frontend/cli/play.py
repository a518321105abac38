"""`symfuse play`: the playground as a local page, or as one file with recorded runs."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from importlib import import_module
from typing import Any

from symfuse.runtime.errors import ArgumentError

from ..view.text import print_table
from .output import OK, new_file, print_json, say

__all__ = ["add_play"]

_SERVER, _SESSION = "symfuse.playground.server", "symfuse.playground.session"
_RECORDING = "symfuse.playground.recording"  # loaded when asked for: it brings the whole compiler


def add_play(commands: Any, **common: Any) -> None:
    """The arguments of the command."""
    parser = commands.add_parser(
        "play",
        help="watch a small network learn, in the browser",
        description="Serves a page on this machine on which data, features, layers and rates are "
        "picked, and the compiled network is seen learning. With --export: writes one HTML file "
        "with recorded runs, which needs no server and loads nothing. Ctrl-C ends it.",
        **common,
    )
    parser.add_argument("--port", type=_port, default=0, help="the default is a free one")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.add_argument(
        "--export", type=new_file, metavar="FILE", help="write the recorded page there"
    )
    parser.add_argument("--json", action="store_true", help="print the address, or what the "
                        "recorded runs have learnt, as JSON")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export, or serve until Ctrl-C."""
    return _export(args) if args.export else _serve(args)


def _serve(args: argparse.Namespace) -> int:
    say("compiling the first network", quiet=args.json)
    session = import_module(_SESSION).Session()
    try:
        server = import_module(_SERVER).Server(session, args.port)
    except OSError as error:
        raise ArgumentError(
            f"port {args.port} cannot be used: {error.strerror}",
            fix="choose another one, or leave it out for a free one",
        ) from None
    try:
        _announce(server.url, args)
        server.serve_forever()
    except KeyboardInterrupt:
        say("\nthe playground is closed", quiet=args.json)
    finally:
        server.close()
    return OK


def _announce(url: str, args: argparse.Namespace) -> None:
    if args.json:
        print_json({"url": url})
    else:
        say(f"the playground is at {url}; Ctrl-C ends it")
    sys.stdout.flush()  # whoever started it reads the address while it runs
    if not args.no_browser:
        webbrowser.open(url)


def _export(args: argparse.Namespace) -> int:
    say("training the presets", quiet=args.json)
    outcomes = import_module(_RECORDING).export(args.export)
    size = args.export.stat().st_size
    if args.json:
        print_json({"file": str(args.export), "bytes": size, "runs": outcomes})
        return OK
    rows = [[f"{v:.4g}" if isinstance(v, float) else v for v in one.values()] for one in outcomes]
    titles = ("run", "epochs", "training loss", "test loss", "test accuracy")
    print_table("symfuse play", titles, rows)
    say(f"{args.export}: {size / 1e6:.1f} MB")
    return OK


def _port(text: str) -> int:
    if not (text.isdigit() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to 65535")
    return int(text)
