"""`python -m symfuse`: the command line."""

import sys
from importlib import import_module

if __name__ == "__main__":
    sys.exit(import_module("symfuse.cli").main())
