"""PyTorch: eager, in a captured graph, and torch.compile in two modes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from .cases import Case, cases
from .lines import Sample, Teller, sampled
from .torch_training import train

__all__ = ["main"]

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
TOGETHER = 100
COMPILED = ("elementwise", "small", "rows", "sums", "transpose", "layers", "attention",
            "convolution")  # fmt: skip
BY_GRAPH = ("small",)
# What matters most comes first, in case time runs out.
ORDER = ("elementwise", "small", "training", "layers", "products", "rows", "attention",
         "convolution", "sums", "transpose", "scan")  # fmt: skip


def _attention(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]


def _attention_in_words(q: Any, k: Any, v: Any, causal: bool = False) -> Any:
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).tril()
        scores = torch.where(seen, scores, -1e9)
    return torch.softmax(scores, -1) @ v


def _conv(x: Any, kernel: Any) -> Any:
    """With channels last in memory, as they come."""
    found = F.conv2d(x.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), padding="same")
    return found.permute(0, 2, 3, 1)


def _lstm(x: Any, inward: Any, onward: Any, bias: Any) -> Any:
    """By cuDNN, which keeps two biases."""
    weights = [(0.02 * inward).T.contiguous(), (0.02 * onward).T.contiguous()]
    start = torch.zeros(1, *x.shape[1:], device=x.device)
    flat = [*weights, bias, torch.zeros_like(bias)]
    return torch.lstm(x, (start, start), flat, True, 1, 0.0, False, False, False)[1][0]


def _gelu(x: Any) -> Any:
    return F.gelu(x, approximate="tanh")


WORKS: dict[str, Callable[..., Any]] = {
    "gelu(x·s+b)": lambda x, s, b: _gelu(x * s + b),
    "softmax": lambda x: torch.softmax(x, -1),
    "layer norm": lambda x, s, b: F.layer_norm(x, x.shape[-1:], s, b, 1e-5),
    "sum": torch.sum,
    "row sum": lambda x: torch.sum(x, -1),
    "column sum": lambda x: torch.sum(x, 0),
    "transpose": lambda x: x.t().contiguous(),
    "product": torch.matmul,
    "product nt": lambda x, y: x @ y.t(),
    "product tn": lambda x, y: x.t() @ y,
    "batched product": torch.matmul,
    "x·w+b": lambda x, w, b: torch.addmm(b, x, w),
    "relu(x·w+b)": lambda x, w, b: torch.relu(torch.addmm(b, x, w)),
    "gelu(x·w+b)": lambda x, w, b: _gelu(torch.addmm(b, x, w)),
    "residual": lambda x, w, y: torch.addmm(y, x, w),
    "attention": _attention,
    "causal attention": partial(_attention, causal=True),
    "convolution": _conv,
    "relu(x*k+b)": lambda x, k, b: torch.relu(_conv(x, k) + b),
    "cumsum": lambda x: torch.cumsum(x, -1),
    "LSTM": _lstm,
}
# What is compiled instead of that: the formula, so that the compiler has something to fuse.
IN_WORDS = {
    "attention": _attention_in_words,
    "causal attention": partial(_attention_in_words, causal=True),
}


def main(teller: Teller, tiny: bool, device: str) -> int:
    """Measure every case that PyTorch has."""
    if device == "cuda" and not torch.cuda.is_available():
        teller.tell(absent="PyTorch sees no device")
        return 0
    teller.tell(versions={"torch": torch.__version__, "cuda": torch.version.cuda})
    side = Side(teller, tiny, device)
    for case in sorted(cases(tiny), key=lambda case: ORDER.index(case.section)):
        if not case.generated and teller.begin(case.name):
            side.run(case)
    return 0


class Side:
    """Runs cases on one device; on the processor, for rehearsal, each once."""

    def __init__(self, teller: Teller, tiny: bool, device: str) -> None:
        self.teller, self.tiny, self.device = teller, tiny, device
        if device == "cuda":
            self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]

    def run(self, case: Case) -> None:
        """All of PyTorch's ways to do a case."""
        torch.backends.cuda.matmul.allow_tf32 = case.precision == "tf32"
        torch.backends.cudnn.allow_tf32 = case.precision == "tf32"
        if case.section == "training":
            train(self, case)
        elif case.work not in WORKS:
            reason = "PyTorch has no loop over an axis"
            self.teller.tell(case=case.name, contender="torch", skipped=reason)
        else:
            self._measure(case)
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def _measure(self, case: Case) -> None:
        dtype = DTYPES[case.dtype]
        inputs = [torch.randn(shape, device=self.device, dtype=dtype) for shape in case.shapes]
        eager = WORKS[case.work]
        self.time(case, "torch", lambda: eager(*inputs))
        if case.graph and self.device == "cuda":
            self.teller.attempt(case.name, "torch graph", lambda: self._graph(case, eager, inputs))
        if case.section in COMPILED:
            words = IN_WORDS.get(case.work, eager)
            self.time(case, "torch.compile", self.compiled(words, inputs))
            if case.section in BY_GRAPH:
                way = "torch.compile reduce-overhead"
                self.time(case, way, self.compiled(words, inputs, "reduce-overhead"))

    def time(self, case: Case, contender: str, run: Callable[[], Any]) -> None:
        """Tell the time of one run, or why there is none."""

        def attempt() -> None:
            with torch.no_grad():
                run()
                self.teller.time(case.name, contender, self.sample(run))

        self.teller.attempt(case.name, contender, attempt)

    def compiled(
        self, function: Callable[..., Any], inputs: Any, mode: str | None = None
    ) -> Callable[[], Any]:
        """The call, compiled anew when it first runs."""
        torch._dynamo.reset()
        if self.device == "cpu":  # rehearsed without a compiler of C++
            made = torch.compile(function, backend="aot_eager", dynamic=False)
        else:
            made = torch.compile(function, mode=mode, dynamic=False)
        return lambda: made(*inputs)

    def sample(self, run: Callable[[], Any]) -> Sample:
        """Its time on the device, by events around repetitions."""
        return sampled(lambda count: self._between(run, count), quick=self.tiny)

    def _between(self, run: Callable[[], Any], count: int) -> float:
        if self.device == "cpu":
            start = time.perf_counter()
            for _ in range(count):
                run()
            return time.perf_counter() - start
        first, last = self._events
        first.record()
        for _ in range(count):
            run()
        last.record()
        last.synchronize()
        return float(first.elapsed_time(last)) / 1e3

    def _graph(self, case: Case, function: Callable[..., Any], inputs: Any) -> None:
        """Many runs in one captured graph, as small kernels are best run."""
        with torch.no_grad():
            torch.cuda.synchronize()
            side = torch.cuda.Stream()
            with torch.cuda.stream(side):
                function(*inputs)
            side.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                for _ in range(TOGETHER):
                    function(*inputs)
            found = self.sample(graph.replay)
        once = [x / TOGETHER for x in (found.seconds, found.least, found.most)]
        assert not any(map(math.isnan, once))
        self.teller.time(case.name, "torch graph", Sample(*once, found.repetitions))
