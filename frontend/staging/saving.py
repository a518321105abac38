"""Compiled functions as files, and files as compiled functions again."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from msgspec import structs

from symfuse.compiler.ir.graph import Graph
from symfuse.compiler.ir.location import user_location
from symfuse.runtime import artifact as files
from symfuse.runtime.artifact import Artifact
from symfuse.runtime.errors import ArtifactError, SymfuseError
from symfuse.runtime.program import Program

from ..tracing.tree import Structure
from .containers import described

__all__ = ["recompiled", "write"]


def write(
    path: str | PathLike[str],
    compilation: Any,
    in_tree: Structure | None,
    out_tree: Structure | None,
) -> Path:
    """Write a compilation with the containers of its arguments and results."""
    told = {"numerics": compilation.numerics}
    for name, tree in (("arguments", in_tree), ("results", out_tree)):
        if tree is not None:
            told[name] = _form(tree)
    program = compilation.program
    program = replace(program, launches=compilation.records, metadata={**program.metadata, **told})
    explain = importlib.import_module("symfuse.compiler.explain.stages").explain
    reasons = json.dumps(explain(compilation).as_dict(), indent=1)
    files.save(path, Artifact(program, compilation.traced.text(), reasons))
    return Path(path)


def recompiled(artifact: Artifact) -> Artifact:
    """The artifact with code for this machine, from the graph inside."""
    compile_graph = importlib.import_module("symfuse.compiler.compile").compile_graph
    old = artifact.program
    numerics = old.metadata.get("numerics", "strict")
    program = compile_graph(_graph(artifact), numerics=numerics, target=old.target).program
    inputs = tuple(
        new._replace(name=before.name)
        for new, before in zip(program.inputs, old.inputs, strict=True)
    )
    program = replace(program, inputs=inputs, metadata=old.metadata)
    return artifact._replace(program=program)


def _graph(artifact: Artifact) -> Graph:
    """The graph that was saved, with the values of its hidden parameters."""
    program: Program = artifact.program
    graph = Graph.parse(artifact.graph)
    if len(graph.parameters) != len(program.inputs):
        raise ArtifactError(
            "the graph inside is not that of the program",
            fix="save the program again with this version of symfuse",
        )
    hidden = (
        parameter
        for parameter, argument in zip(graph.parameters, program.inputs, strict=True)
        if argument.hidden
    )
    return structs.replace(graph, captured=dict(zip(hidden, program.hidden, strict=True)))


def _form(tree: Structure) -> Any:
    try:
        return described(tree.unflatten(range(tree.count)))
    except SymfuseError as error:
        raise error.at(user_location()) from None
