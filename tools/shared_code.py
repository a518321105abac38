"""Makes the machine code that comes with symfuse, where its text has changed.

    python tools/shared_code.py             (on Linux; needs llvmlite, no compiler)

`runtime/host/shared` gets an image for each architecture, and `made.json`, which says for each of
which text it was made and by which LLVM: a test compares both.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from symfuse.compiler.targets.llvm.library import llvm_version
from symfuse.compiler.targets.llvm.machine import baseline_machine
from symfuse.compiler.targets.llvm.shared import shared_image, shared_ir
from symfuse.runtime.host.shipped import FOLDER, file_name, packed

ARCHITECTURES = ("x86_64", "aarch64")
RECORD = "made.json"


def digest(architecture: str) -> str:
    """What tells the text for an architecture, and its processor, from others."""
    text = shared_ir(architecture) + baseline_machine(architecture).attributes
    return hashlib.sha256(text.encode()).hexdigest()


def main(folder: Path = FOLDER) -> None:
    """Replace what is in the folder."""
    if sys.platform != "linux":
        raise SystemExit("the text depends on the operating system: make the images on Linux")
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    record = {}
    for architecture in ARCHITECTURES:
        name = file_name(architecture)
        (folder / name).write_bytes(packed(shared_image(architecture)))
        record[name] = {"text": digest(architecture), "llvm": llvm_version()}
        print(f"{folder / name}: {(folder / name).stat().st_size} bytes")
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
