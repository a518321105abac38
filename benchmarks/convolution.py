"""Convolutions beside PyTorch and JAX on one core: `python benchmarks/convolution.py [case …]`.

Rounds are interleaved, and processor time is measured, so that other programs disturb little.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import symfuse as sf
from symfuse.nn import functional as nn

CASES = {
    "lenet1": ((64, 28, 28, 1), (3, 3, 1, 32), 1, "valid"),
    "lenet2": ((64, 14, 14, 32), (3, 3, 32, 64), 1, "valid"),
    "resnet": ((8, 56, 56, 64), (3, 3, 64, 64), 1, "same"),
    "stride 2": ((8, 56, 56, 64), (3, 3, 64, 128), 2, 1),
    "deep": ((8, 14, 14, 256), (3, 3, 256, 256), 1, "same"),
    "1x1": ((8, 56, 56, 64), (1, 1, 64, 128), 1, "same"),
}
ROUNDS, SECONDS = 7, 0.03
Runs = dict[str, Callable[[], Any]]


def measured(runs: Runs) -> dict[str, float]:
    """Milliseconds of processor time of one call of each, the least of all rounds."""
    counts, least = {}, dict.fromkeys(runs, float("inf"))
    for name, run in runs.items():
        run()
        begin = time.process_time()
        run()
        counts[name] = max(1, int(SECONDS / max(time.process_time() - begin, 1e-6)))
    for _ in range(ROUNDS):
        for name, run in runs.items():
            begin = time.process_time()
            for _ in range(counts[name]):
                run()
            spent = (time.process_time() - begin) / counts[name]
            least[name] = min(least[name], spent * 1e3)
    return least


def functions(name: str) -> dict[str, Runs]:
    """What to run: the convolution, its gradient in the images, and that in the kernel."""
    import jax
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    size, kernel_size, stride, padding = CASES[name]
    x = rng.normal(size=size).astype(np.float32)
    kernel = rng.normal(size=kernel_size).astype(np.float32)
    around = kernel_size[0] // 2 if padding in ("same", 1) else 0
    pads = ((around, around),) * 2
    axes = ("NHWC", "HWIO", "NHWC")

    def own(x: Any, kernel: Any) -> Any:
        return nn.conv(x, kernel, stride, pads)

    def peer(x: Any, kernel: Any) -> Any:
        return jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, pads, dimension_numbers=axes)

    slope = rng.normal(size=own(x, kernel).shape).astype(np.float32)
    images, slopes = (torch.from_numpy(np.moveaxis(v, -1, 1).copy()) for v in (x, slope))
    weights = torch.from_numpy(np.transpose(kernel, (3, 2, 0, 1)).copy())
    forth = sf.jit(own, threads=1)
    peer_forth = jax.jit(peer)
    given = tuple(map(jax.numpy.asarray, (x, kernel, slope)))
    found: dict[str, Runs] = {
        "forward": {
            "symfuse": lambda: forth(x, kernel),
            "torch": lambda: torch.nn.functional.conv2d(images, weights, None, stride, around),
            "jax": lambda: peer_forth(*given[:2]).block_until_ready(),
        }
    }
    for at, what in enumerate(("in images", "in kernel")):
        back = sf.jit(lambda x, k, s, at=at: sf.vjp(own, x, k)[1](s)[at], threads=1)
        peer_back = jax.jit(lambda x, k, s, at=at: jax.vjp(peer, x, k)[1](s)[at])
        np.testing.assert_allclose(back(x, kernel, slope), peer_back(*given), rtol=1e-2, atol=0.1)
        wanted = [at == 0, at == 1, False]
        options = (None, [stride] * 2, [around] * 2, [1, 1], False, [0, 0], 1, wanted)
        found[what] = {
            "symfuse": lambda back=back: back(x, kernel, slope),
            "torch": lambda o=options: torch.ops.aten.convolution_backward(
                slopes, images, weights, *o
            ),
            "jax": lambda peer_back=peer_back: peer_back(*given).block_until_ready(),
        }
    return found


def main() -> None:
    for name in sys.argv[1:] or CASES:
        for what, runs in functions(name).items():
            times = measured(runs)
            shown = "  ".join(f"{who} {ms:8.3f} ms" for who, ms in times.items())
            ratios = ", ".join(
                f"{who} {times[who] / times['symfuse']:.2f}" for who in list(times)[1:]
            )
            print(f"{name:9s} {what:10s} {shown}   × {ratios}", flush=True)


if __name__ == "__main__":
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    main()
