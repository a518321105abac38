"""`sf.load`: a saved function, run by the runtime alone."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from symfuse.runtime import artifact as files
from symfuse.runtime import errors
from symfuse.runtime.artifact import Artifact
from symfuse.runtime.errors import ArgumentError, GuardError, Loc, OptionError, SymfuseError
from symfuse.runtime.executable import load as load_program
from symfuse.runtime.program import Program

from .containers import build, expect_arguments, expect_results, flat, is_flat, leaves_of, shown

__all__ = ["LoadedFunction", "load"]

_OURS = tuple(str(Path(place).resolve().parent) for place in (errors.__file__, __file__))


class LoadedFunction:
    """A saved function: takes and returns the containers that it did when it was saved."""

    def __init__(self, artifact: Artifact, executable: Any) -> None:
        self._artifact, self.executable = artifact, executable
        program = executable.program
        plain = ["tuple", flat(len(program.arguments)), ["dict"]]
        self._arguments = program.metadata.get("arguments", plain)
        self._results = program.metadata.get("results", flat(len(program.outputs), one=True))
        expect_arguments(self._arguments, len(program.arguments))
        expect_results(self._results, len(program.outputs))
        _, positional, keyword = self._arguments
        self._returns_flat = self._results == flat(len(program.outputs), one=True)
        self._is_flat = is_flat(positional) and len(keyword) == 1 and self._returns_flat

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        """The results for these arguments, written to `out` where it is given."""
        try:
            if self._is_flat and out is None and not kwargs:
                return self.executable.entry(*args)
            leaves = self._leaves(args, kwargs)
            if out is None:
                return self._result(self.executable.entry(*leaves))
            return self._result(self.executable(*leaves, out=self._targets(out)))
        except SymfuseError as error:
            raise error.at(_caller()) from None

    def bind(self, *args: Any, out: Any = None, **kwargs: Any) -> Callable[[], Any]:
        """A function without arguments that reads these arrays and writes the same results."""
        leaves = self._leaves(args, kwargs)
        target = None if out is None else self._targets(out)
        try:
            bound: Callable[[], Any] = self.executable.bind(*leaves, out=target)
        except SymfuseError as error:
            raise error.at(_caller()) from None
        return bound if self._returns_flat else lambda: self._result(bound())

    @property
    def program(self) -> Program:
        """The machine code with its signature, guards and records."""
        program: Program = self.executable.program
        return program

    @property
    def signature(self) -> str:
        """`(params['w']: f32[4,2], x: f32[N,4]) -> f32[N,2]`."""
        return self.program.signature

    @property
    def guards(self) -> tuple[str, ...]:
        """What sizes must satisfy."""
        return self.program.guards

    @property
    def placement(self) -> Any:
        """Where it runs: the target, the device with its name, and what the code is for."""
        return self.executable.placement

    def as_text(self, stage: str = "graph") -> str:
        """What travels with the code: the traced graph, or the explanation as JSON."""
        texts = {"graph": self._artifact.graph, "explanation": self._artifact.explanation}
        if stage not in texts:
            raise OptionError(
                f"a saved function has no stage {stage!r}",
                fix="use graph or explanation; sf.compile(sf.Graph.parse(...)) shows the others",
                loc=_caller(),
            )
        return texts[stage]

    def __repr__(self) -> str:
        return f"<loaded {self.executable.name}{self.signature}>"

    def _leaves(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        found = leaves_of(self._arguments, (args, kwargs))
        if found is None:
            raise ArgumentError(
                f"{self.executable.name} takes {self.signature}, and the arguments do not have "
                f"the form {shown(self._arguments)}",
                fix="pass arguments with the containers that it was saved with",
                loc=_caller(),
            )
        return found

    def _targets(self, out: Any) -> Any:
        found = leaves_of(self._results, out)
        if found is None:
            raise GuardError(
                f"out does not have the form of the results, {shown(self._results)}",
                fix="pass arrays in the same containers",
                loc=_caller(),
            )
        return found[0] if len(found) == 1 else tuple(found)

    def _result(self, result: Any) -> Any:
        if self._returns_flat:
            return result
        count = len(self.program.outputs)
        return build(self._results, (result,) if count == 1 else result or ())


def load(
    path: str | PathLike[str],
    *,
    threads: int | None = None,
    verify: bool | None = None,
    recompile: bool = False,
) -> LoadedFunction:
    """The function that `sf.export` or `save` wrote, as code that needs no compiler.

    A file that is damaged, foreign, of a newer symfuse, or for another processor raises
    ArtifactError before any code is mapped. `recompile=True` compiles the graph inside again.

    >>> import os, tempfile, symfuse as sf
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = sf.export(lambda x: x + 1, "f32[3]", path=os.path.join(folder, "f.sfz"))
    ...     f = sf.load(path)
    >>> f([1.0, 2.0, 3.0])
    array([2., 3., 4.], dtype=float32)
    """
    try:
        found = files.load(path, to_run=not recompile)
        if recompile:
            # The compiler is loaded only where it was asked for.
            found = importlib.import_module("symfuse.staging.saving").recompiled(found)
        return LoadedFunction(found, load_program(found.program, threads=threads, verify=verify))
    except SymfuseError as error:
        raise error.at(_caller()) from None


def _caller() -> Loc | None:
    """The nearest frame outside symfuse."""
    frame = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OURS):
            return Loc(frame.f_code, frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    return None
