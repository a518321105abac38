"""One contender's process: `python -m gpu_suite.child own|torch|jax …`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from .lines import Teller

__all__ = ["main"]


def main() -> int:
    """Run one side; its status tells whether another process should go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("own", "torch", "jax"))
    parser.add_argument("--known", type=Path, help="lines of an earlier process of this side")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--driver", choices=("real", "simulator"), default="real")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", default="")
    parser.add_argument("--without", default="")
    chosen = parser.parse_args()
    teller = Teller(chosen.side, chosen.known, chosen.only, chosen.without)
    if chosen.side == "own":
        own = import_module(".own", __package__)
        return int(own.main(teller, chosen.tiny, chosen.driver == "simulator"))
    peer = import_module(f".by_{chosen.side}", __package__)
    return int(peer.main(teller, chosen.tiny, chosen.device))


if __name__ == "__main__":
    sys.exit(main())
