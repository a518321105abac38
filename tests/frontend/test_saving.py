"""Saved functions: what the user's function takes and returns, without the compiler."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import symfuse as sf
from symfuse.runtime.archive import digest
from symfuse.runtime.artifact import Artifact
from symfuse.runtime.artifact import load as load_artifact
from symfuse.staging.containers import build, described, leaves_of, shown

Layer = namedtuple("Layer", "w b")
SCALE = np.linspace(1, 2, 2, dtype="float32")
X = np.arange(12.0, dtype="float32").reshape(3, 4) / 10
LAYER = Layer(np.linspace(-1, 1, 8, dtype="float32").reshape(4, 2), np.ones(2, "float32"))
SPECS = ({"first": Layer("f32[4,2]", "f32[2]"), "rest": [None]}, "f32[N,4]")
PARAMS = {"first": LAYER, "rest": [None]}


def model(params, x):
    y = np.tanh(x @ params["first"].w + params["first"].b) * SCALE
    return {"y": y, "total": [y.sum()], "layer": Layer(params["first"].w * 2, None)}


@pytest.fixture
def file(tmp_path):
    return sf.export(model, *SPECS, path=tmp_path / "model.sfz")


@pytest.mark.parametrize("recompile", [False, True])
def test_a_saved_function_takes_and_returns_what_the_function_does(file, recompile):
    loaded = sf.load(file, recompile=recompile)
    for n in (1, 3, 7):
        x = np.resize(X, (n, 4))
        found, wanted = loaded(PARAMS, x), sf.compile(model, *SPECS)(PARAMS, x)
        assert list(found) == ["y", "total", "layer"]
        np.testing.assert_array_equal(found["y"], wanted["y"])
        np.testing.assert_array_equal(found["total"][0], wanted["total"][0])
        np.testing.assert_array_equal(found["layer"].w, LAYER.w * 2)
        assert found["layer"].b is None
        assert type(found["layer"]).__name__ == "Layer"


def test_a_saved_function_says_what_it_is(file):
    loaded = sf.load(file)
    assert loaded.signature.startswith("(params['first'].w: f32[4,2], params['first'].b: f32[2]")
    assert loaded.as_text("graph") == str(sf.compile(model, *SPECS).graph)
    assert "test_saving.py" in loaded.as_text("explanation")
    assert all("test_saving.py" in launch.lines[0] for launch in loaded.program.launches)
    assert "loaded model" in repr(loaded)
    with pytest.raises(sf.OptionError, match="llvm") as caught:
        loaded.as_text("llvm")
    assert caught.value.user_frame[0] == __file__


def test_results_go_where_the_caller_wants(file, tmp_path):
    loaded = sf.load(file)
    wanted = loaded(PARAMS, X)
    out = {
        "y": np.empty((3, 2), "f"),
        "total": [np.empty((), "f")],
        "layer": LAYER._replace(b=None),
    }
    out["layer"] = Layer(np.empty((4, 2), "f"), None)
    loaded(PARAMS, X, out=out)
    np.testing.assert_array_equal(out["y"], wanted["y"])
    bound = loaded.bind(PARAMS, X)
    np.testing.assert_array_equal(bound()["y"], wanted["y"])
    with pytest.raises(sf.GuardError, match="form of the results"):
        loaded(PARAMS, X, out=[out["y"]])


def test_memory_of_a_call_is_a_formula_that_loads(file):
    loaded = sf.load(file)
    program, arena = loaded.program, sf.compile(model, *SPECS).memory
    results = loaded(PARAMS, X)
    made = results["y"].nbytes + results["total"][0].nbytes + results["layer"].w.nbytes
    assert program.arena == str(arena.peak)
    assert eval(program.peak, {"N": 3}) == arena.peak_bytes(N=3) + made
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["memory"] == {"arena": program.arena, "peak": program.peak}
    assert manifest["guards"] == list(program.guards) == ["0 ≤ N"]


def test_results_in_memory_of_arguments_take_none(tmp_path):
    donating = sf.compile(lambda x: x + 1, "f32[N]", donate_argnums=0).program
    assert (donating.arena, donating.peak) == (0, 0)
    assert sf.compile(lambda x: x + 1, "f32[N]").program.peak == "4*N"


def test_flat_functions_reach_native_code(tmp_path):
    path = sf.compile(lambda x, y: (x + y, x * y), X, X).save(tmp_path / "flat.sfz")
    loaded = sf.load(path, threads=1)
    for found, wanted in zip(loaded(X, X), (X + X, X * X), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert loaded.executable.is_native
    assert loaded.executable.counters.slow_calls == 0


def test_named_arguments_stay_named(tmp_path):
    path = sf.export(lambda x, *, rate: x * rate, "f32[2]", rate="f32[]", path=tmp_path / "f.sfz")
    assert sf.load(path)(LAYER.b, rate=3.0).tolist() == [3, 3]
    with pytest.raises(sf.ArgumentError, match="rate"):
        sf.load(path)(LAYER.b, 2.0)


def test_graphs_made_by_hand_are_saved_too(tmp_path):
    x = sf.placeholder("x", "f32[3]")
    graph = sf.Graph(inputs=[x], outputs=[sf.numpy.tanh(x), x + 1])
    loaded = sf.load(sf.export(graph, path=tmp_path / "hand.sfz"))
    np.testing.assert_array_equal(loaded(X[0, :3])[1], X[0, :3] + 1)


def test_donation_and_compiled_functions_are_kept(tmp_path):
    exe = sf.compile(lambda x: x + 1, "f32[3]", donate_argnums=0)
    loaded = sf.load(sf.export(exe, path=tmp_path / "f.sfz"), verify=True)
    x = np.ones(3, "float32")
    assert loaded(x) is x
    assert loaded.program.inputs[0].donated
    assert sf.load(tmp_path / "f.sfz", recompile=True).program.inputs[0].donated
    with pytest.raises(sf.ArgumentError, match="compiled already"):
        sf.export(exe, "f32[3]", path=tmp_path / "g.sfz")


@dataclass
class Pair:
    w: object
    b: object


@pytest.mark.parametrize("tree", [Pair(1, 2), OrderedDict(a=1), {(1, 2): 3}])
def test_containers_that_need_their_class_are_refused(tmp_path, tree):
    with pytest.raises(sf.UnsupportedError, match="cannot be saved") as caught:
        sf.export(lambda p: p, [type_of(tree)], path=tmp_path / "p.sfz")
    assert caught.value.user_frame[0] == __file__
    assert not (tmp_path / "p.sfz").exists()


def type_of(tree):
    spec = "f32[2]"
    if isinstance(tree, Pair):
        return Pair(spec, spec)
    return type(tree)(dict.fromkeys(tree, spec))


@pytest.mark.parametrize(
    "tree", [0, None, (0,), [], {"b": 0, "a": [1, None]}, {1: 0, 2: 1}, Layer((0, 1), {"c": 2})]
)
def test_forms_of_containers_survive_json(tree):
    form = json.loads(json.dumps(described(tree)))
    count = len(leaves_of(form, tree))
    assert build(form, range(count)) == tree
    assert leaves_of(form, tree) == list(range(count))
    assert shown(form).count("*") == count
    assert leaves_of(form, [tree]) is None


SCRIPT = """
import sys
import numpy as np
import symfuse as sf
add = sf.load(sys.argv[1])
found = add({"x": np.ones(3, "f"), "y": [np.ones(3, "f")]})
heavy = ("symfuse.compiler", "symfuse.tracing", "symfuse.runtime.cuda")
heavy += ("llvmlite", "optree", "sympy", "networkx")
print(found["sum"].tolist(), [name for name in heavy if name in sys.modules])
"""


def test_loading_needs_no_compiler(tmp_path):
    path = sf.export(
        lambda p: {"sum": p["x"] + p["y"][0]},
        {"x": "f32[3]", "y": ["f32[3]"]},
        path=tmp_path / "add.sfz",
    )
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[2.0, 2.0, 2.0] []"


SOURCE = """
import sys
import numpy as np
import symfuse as sf
{shift}
def step(params, x):
    loss = lambda p: (np.tanh(x @ p["w"] + p["b"]) ** 2).sum()
    slopes = sf.grad(loss)(params)
    return {{name: params[name] - 0.1 * slopes[name] for name in params}}
sf.export(step, {{"w": "f32[4,2]", "b": "f32[2]"}}, "f32[N,4]", path=sys.argv[1])
"""


def test_the_same_source_gives_the_same_bytes(tmp_path):
    def saved(name, seed, cache, shift=""):
        source = tmp_path / "source.py"
        source.write_text(SOURCE.format(shift=shift))
        given = {"PYTHONHASHSEED": seed, "SYMFUSE_CACHE_DIR": str(tmp_path / cache)}
        command = [sys.executable, str(source), str(tmp_path / name)]
        subprocess.run(command, env={**os.environ, **given}, check=True)
        return (tmp_path / name).read_bytes()

    first = saved("1.sfz", "1", "one")
    assert saved("2.sfz", "2", "two") == first
    saved("3.sfz", "1", "three", shift="\n\n")
    assert saved("4.sfz", "3", "three") == first, "lines come from the cache of another source"


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda data: data[:-1], "no intact"),
        (lambda data: data[: len(data) // 2], "no intact"),
        (lambda data: b"", "no intact"),
        (lambda data: b"PK\x03\x04 of something else", "no intact"),
        (lambda data: data.replace(b"graph model", b"graph nodel", 1), "no intact"),
        (lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:], "no intact"),
    ],
)
def test_damaged_files_are_refused_at_the_users_line(file, damage, what):
    file.write_bytes(damage(file.read_bytes()))
    for recompile in (False, True):
        with pytest.raises(sf.ArtifactError, match=what) as caught:
            sf.load(file, recompile=recompile)
        assert caught.value.user_frame[0] == __file__
        assert caught.value.fix


def test_files_of_others_and_of_the_future_are_refused(tmp_path, file):
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(sf.ArtifactError, match=r"no manifest\.json"):
        sf.load(tmp_path / "foreign.zip")
    with pytest.raises(sf.ArtifactError, match="cannot be read"):
        sf.load(tmp_path / "missing.sfz")
    _change(file, schema=99)
    with pytest.raises(sf.ArtifactError, match="schema 99") as caught:
        sf.load(file)
    assert "update symfuse" in caught.value.fix


def _change(path, **changes):
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    _rewrite(path, {**manifest, **changes})


def _rewrite(path, manifest):
    """The file with another manifest, consistent in itself."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "manifest.json": text}.items():
            archive.writestr(name, data)
        archive.comment = digest(text).encode()


OTHERS = (None, True, -1, 2**70, 0.5, "?", [[]], {"?": 1})


def _others(value, above=()):
    """Every place in plain data, and the data with something else there."""
    rows = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in rows:
        for other in OTHERS:
            if other != part or type(other) is not type(part):
                copied = value.copy()
                copied[key] = other
                yield (*above, key), copied
        if isinstance(part, dict | list):
            for place, inside in _others(part, (*above, key)):
                copied = value.copy()
                copied[key] = inside
                yield place, copied


def test_every_other_value_in_a_manifest_is_accepted_or_refused_as_such(tmp_path):
    spec = {"x": "f32[N]"}
    file = sf.export(lambda given: [given["x"] + 1], spec, path=tmp_path / "f.sfz")
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    refused = set()
    for place, changed in _others(manifest):
        _rewrite(file, changed)
        try:
            sf.load(file)
        except sf.ArtifactError as error:
            assert error.fix and error.user_frame[0] == __file__
            refused.add(place)
    declared = {(key,) for key in manifest} - {("symfuse",)}
    assert declared <= refused
    assert {("inputs", 0, "dims"), ("outputs", 0, "dtype"), ("metadata", "arguments", 1)} <= refused


@pytest.mark.parametrize("changes", [{"features": ["avx9000"]}, {"architecture": "vax"}])
def test_another_processor_is_told_of_recompilation_and_nothing_is_done_silently(file, changes):
    _change(file, **changes)
    with pytest.raises(sf.ArtifactError) as caught:
        sf.load(file)
    assert "recompile=True" in caught.value.fix
    np.testing.assert_array_equal(
        sf.load(file, recompile=True)(PARAMS, X)["y"], sf.compile(model, *SPECS)(PARAMS, X)["y"]
    )


def test_an_artifact_can_be_sent_to_another_process_with_arrays_that_stay_read_only(tmp_path):
    sent = load_artifact(sf.export(lambda x: x * SCALE, "f32[2]", path=tmp_path / "f"))
    got = pickle.loads(pickle.dumps(Artifact(sent.program)))
    assert got.files == {}
    assert got.files == {} and got.program.signature == sent.program.signature
    (before,), (after,) = sent.program.hidden, got.program.hidden
    np.testing.assert_array_equal(before, after)
    assert not after.flags.writeable


def test_code_says_why_it_is_not_pickled_and_how_it_is_sent(file):
    fast = sf.jit(model)
    for code in (sf.load(file), sf.load(file).executable, sf.compile(model, *SPECS), fast):
        with pytest.raises(
            TypeError, match="model is code in the memory of this process"
        ) as caught:
            pickle.dumps(code)
        assert "sf.load" in caught.value.fix
