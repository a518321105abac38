"""Fourier transforms beside `numpy.fft` on one core: `python benchmarks/fourier.py [rfft]`.

Rounds are interleaved, and processor time is measured, so that other programs disturb little. The
errors are those of the largest element, against the transform in double precision.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from convolution import measured

import symfuse as sf

SHAPES: tuple[tuple[int, ...], ...] = (
    *((n,) for n in (16, 64, 100, 120, 1000, 1024, 1920, 4096, 10007, 1 << 20)),
    (1000, 256),
    (512, 512),
)


def compared(name: str, shape: tuple[int, ...], dtype: Any) -> str:
    """One line of the table."""
    rng = np.random.default_rng(0)
    z = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    x = z.real.copy() if name == "rfft" else z
    f = getattr(np.fft, name)
    own, any_size = (
        sf.compile(lambda v: f(v), spec, threads=1)
        for spec in (
            sf.spec(x.shape, x.dtype),
            sf.spec([f"N{axis}" for axis in range(x.ndim)], x.dtype),
        )
    )
    wanted = f(x.astype(np.promote_types(x.dtype, np.float64)))
    error = np.abs(own(x) - wanted).max() / np.abs(wanted).max()
    runs = {
        "symfuse": lambda: own(x),
        "symbolic": lambda: any_size(x),
        "numpy": lambda: f(x),
    }
    times = "".join(f"{1e3 * t:12.1f}" for t in measured(runs).values())
    return f"{x.dtype.name:12}{'x'.join(map(str, shape)):>12}{times}{error:12.1e}"


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "fft"
    print(
        f"{name:12}{'shape':>12}{'symfuse µs':>12}{'symbolic µs':>12}{'numpy µs':>12}{'error':>12}"
    )
    for dtype in (np.complex64, np.complex128):
        for shape in SHAPES:
            print(compared(name, shape, dtype), flush=True)


if __name__ == "__main__":
    main()
