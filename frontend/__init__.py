"""symfuse: traces NumPy code to graphs, differentiates and fuses them, and compiles them.

Each name is loaded when it is first used: importing symfuse costs nothing more than Python does.
"""

from __future__ import annotations

import importlib
from typing import Any

from symfuse.runtime.version import VERSION as __version__

_NAMES = {
    # stages
    "tracing.graph": ("Graph", "make_graph", "trace"),
    "tracing.placeholders": ("placeholder",),
    "tracing.specs": ("Spec", "spec"),
    "compiler.ir.dims": ("dim",),
    "tracing.tree": ("register",),
    "staging.jit": ("jit", "no_recompile"),
    "staging.aot": ("CompiledFunction", "compile", "export"),
    "staging.loading": ("LoadedFunction", "load"),
    # transformations
    "transforms": (
        "eval_shape", "grad", "hessian", "jacfwd", "jacobian", "jacrev", "jvp", "linearize",
        "stop_gradient", "value_and_grad", "vjp",
    ),
    "derivatives.jvp": ("custom_jvp",),
    "derivatives.vjp": ("custom_vjp",),
    "batching": ("vmap",),
    "dynamic": (
        "dynamic_index_in_dim", "dynamic_slice", "dynamic_slice_in_dim",
        "dynamic_update_index_in_dim", "dynamic_update_slice", "dynamic_update_slice_in_dim",
    ),
    "control.loops": ("fori_loop", "map", "scan"),
    "control.whiles": ("while_loop",),
    "control.branches": ("cond", "switch"),
    "control.checkpoints": ("checkpoint", "checkpoint_name", "remat"),
    "control.associative": ("associative_scan",),
    "checks": ("check_grads",),
    "symbols.evaluating": ("from_sympy", "lambdify"),
    "symbols.deriving": ("derivative",),
    "benchmarking.measure": ("bench",),
    # errors and element types
    "runtime.errors": (
        "ArgumentError", "ArtifactError", "CheckError", "CompileError", "DTypeError", "DataError",
        "DeviceError",
        "GraphSyntaxError",
        "GuardError", "OptionError", "ShapeError", "SymfuseError", "TraceError",
        "UnsupportedError", "VerifyError",
    ),
    "runtime.dtypes": ("DType",),
    "compiler.ir.location": ("scope",),
}  # fmt: skip
_MODULES = (
    "callbacks", "checkpoint_policies", "data", "datasets", "debug", "fft", "initializers",
    "linalg", "losses", "metrics", "nn", "numpy", "optim", "random", "sparse", "special",
)  # fmt: skip
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [*_HOME, *_MODULES, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
