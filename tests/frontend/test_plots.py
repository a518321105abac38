"""Pictures of models: which boxes there are, what is written in them, who reads whom."""

from __future__ import annotations

import itertools
import re
import shutil
import struct
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.view.drawing import Box, Drawing, Frame, Line
from symfuse.view.layout import DIRECTIONS
from symfuse.view.picture import Picture
from symfuse.view.placing import PADDING, placed
from symfuse.view.svg import drawing_svg


def edges(picture: Any) -> set[tuple[str, str]]:
    """Who reads whom, by the titles of their boxes."""
    titles = {box.key: box.title for box in picture.drawing.boxes}
    return {(titles[line.source], titles[line.target]) for line in picture.drawing.lines}


def siamese() -> Any:
    left, right = nn.Input(4, name="left"), nn.Input(4)
    encode = nn.Dense(3, activation="relu", name="encode")
    block = nn.Sequential(
        [nn.Dense(3, name="inner"), nn.Sequential([nn.Dropout(0.5)], name="deep")], name="block"
    )
    joined = nn.Add(name="joined")([encode(left), encode(right)])
    return nn.Model([left, right], nn.Dense(1, name="last")(block(joined)), name="pair")


def test_a_functional_model_is_boxes_of_its_layers() -> None:
    picture = nn.plot_model(siamese(), show_layer_names=True)
    assert edges(picture) == {
        ("left", "encode (Dense)"), ("input_1", "encode (Dense)"),
        ("encode (Dense)", "joined (Add)"), ("joined (Add)", "block (Sequential)"),
        ("block (Sequential)", "last (Dense)"),
    }  # fmt: skip
    assert len(picture.drawing.boxes) == 6 and not picture.drawing.frames
    assert [box.detail for box in picture.drawing.boxes] == [""] * 6
    assert edges(nn.plot_model(siamese())) >= {("Dense", "Add"), ("left", "Dense")}


def test_boxes_say_what_they_are_asked_for() -> None:
    options = {"show_shapes": True, "show_dtype": True, "show_layer_activations": True}
    model = siamese()
    model.get_layer("last").trainable = False
    picture = nn.plot_model(model, show_trainable=True, **options)
    details = {box.title: box.detail.splitlines() for box in picture.drawing.boxes}
    assert details["left"] == ["(N, 4)", "float32"]
    assert details["Add"] == ["(N, 3), (N, 3) → (N, 3)", "float32", "trainable"]
    last = picture.drawing.boxes[-1]
    assert last.detail.splitlines() == [
        "activation: linear", "(N, 3) → (N, 1)", "float32", "not trainable",
    ]  # fmt: skip
    assert last.hint == "last: 4 parameters"


def test_models_inside_are_frames_around_their_layers() -> None:
    picture = nn.plot_model(siamese(), show_layer_names=True, expand_nested=True)
    frames = {frame.key: frame for frame in picture.drawing.frames}
    assert [frame.title for frame in frames.values()] == ["block (Sequential)", "deep (Sequential)"]
    outer, inner = frames
    assert frames[inner].frame == outer and frames[outer].frame is None
    homes = {box.title: box.frame for box in picture.drawing.boxes}
    assert homes["inner (Dense)"] == outer and homes["dropout (Dropout)"] == inner
    assert homes["last (Dense)"] is None
    assert edges(picture) >= {
        ("joined (Add)", "inner (Dense)"), ("inner (Dense)", "dropout (Dropout)"),
        ("dropout (Dropout)", "last (Dense)"),
    }  # fmt: skip


def test_layers_that_change_nothing_are_told_apart() -> None:
    x = nn.Input(3)
    one, other = nn.Flatten(name="one")(x), nn.Flatten(name="other")(x)
    model = nn.Model(x, nn.Add(name="sum")([nn.Activation(None, name="after")(one), other]))
    assert edges(nn.plot_model(model, show_layer_names=True)) == {
        ("input", "one (Flatten)"), ("input", "other (Flatten)"),
        ("one (Flatten)", "after (Activation)"), ("after (Activation)", "sum (Add)"),
        ("other (Flatten)", "sum (Add)"),
    }  # fmt: skip


class Residual(nn.Module):
    units: int

    def call(self, scope: Any, x: Any) -> Any:
        y = scope(nn.Dense(self.units, activation="tanh"), x)
        for _ in range(2):
            y = y + scope(nn.Dropout(0.5), y) * 2
        return scope(nn.Dense(1), np.concatenate([y, x], -1))


def test_models_of_ones_own_are_drawn_by_what_their_calls_read() -> None:
    model = Residual(4)
    model.build("f32[N,3]")
    assert edges(nn.plot_model(model, show_layer_names=True)) == {
        ("input", "dense (Dense)"), ("dense (Dense)", "dropout (Dropout)"),
        ("dense (Dense)", "dropout_1 (Dropout)"), ("dropout (Dropout)", "dropout_1 (Dropout)"),
        ("dense (Dense)", "dense_1 (Dense)"), ("dropout (Dropout)", "dense_1 (Dense)"),
        ("dropout_1 (Dropout)", "dense_1 (Dense)"), ("input", "dense_1 (Dense)"),
    }  # fmt: skip
    with pytest.raises(sf.SymfuseError, match="shapes of the inputs are not known") as caught:
        nn.plot_model(Residual(4))
    assert caught.value.loc.filename == __file__


def test_a_layer_whose_results_come_back_to_it_is_several_boxes() -> None:
    x = nn.Input(3)
    again = nn.Dense(3, name="again")
    model = nn.Model(x, again(nn.ReLU()(again(x))))
    titles = [b.title for b in nn.plot_model(model, show_layer_names=True).drawing.boxes]
    assert titles == ["input", "again (Dense)", "re_lu (ReLU)", "again (Dense)"]


def test_colours_follow_from_the_operations() -> None:
    x = nn.Input((8, 4))
    layers = [
        nn.Conv1D(4, 3), nn.MaxPooling1D(2), nn.ReLU(), nn.Flatten(), nn.Dense(2), nn.Softmax(),
    ]  # fmt: skip
    model = nn.Sequential([x, *layers])
    families = [box.family for box in nn.plot_model(model).drawing.boxes]
    assert families == [
        "parameter", "product", "reduction", "elementwise", "movement", "product", "reduction",
    ]  # fmt: skip


def nested(rankdir: str) -> Drawing:
    """Two boxes in a frame in a frame, between one before and one behind."""
    boxes = tuple(Box(key, f"box {key}", "two\nlines", "other", "", frame) for key, frame in HOME)
    lines = tuple(Line(a, b) for a, b in itertools.pairwise(key for key, _ in HOME))
    frames = (Frame("inner", "inner", 1, "outer"), Frame("outer", "outer", 0))
    return Drawing("nest", boxes, (*lines, Line(0, 4)), frames, "", rankdir)


HOME = ((0, None), (1, "outer"), (2, "inner"), (3, "inner"), (4, None))


@pytest.mark.parametrize("rankdir", DIRECTIONS)
def test_frames_hold_what_is_inside_in_every_direction(rankdir: str) -> None:
    drawing = nested(rankdir)
    found = placed(drawing, dict.fromkeys(range(5), (60.0, 30.0)), {"inner": 9.0, "outer": 9.0})
    dx, dy = DIRECTIONS[rankdir]
    places = [x * dx + y * dy for (x, y), _ in (found.boxes[key] for key in range(5))]
    assert places == sorted(places) and len(set(places)) == 5

    def holds(outer: Any, inner: Any) -> bool:
        (x, y), (w, h) = outer
        (u, v), (a, b) = inner
        return abs(x - u) + a / 2 <= w / 2 - PADDING + 1 and abs(y - v) + b / 2 <= h / 2

    assert holds(found.frames["outer"], found.frames["inner"])
    for key in (2, 3):
        assert holds(found.frames["inner"], found.boxes[key])
    for key in (0, 4):
        assert not holds(found.frames["outer"], found.boxes[key])
    width, height = found.size
    for route in found.routes:
        assert all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in route.points)
    ends = [route.points[-1] for route in found.routes if route.is_end]
    assert len(ends) == 5 and found.boxes[4][0] not in ends  # at the border of the box
    svg = ElementTree.fromstring(drawing_svg(drawing))
    assert [one.text for one in svg.iter("{http://www.w3.org/2000/svg}text")].count("lines") == 5


def test_pictures_are_written_in_several_formats(tmp_path: Any) -> None:
    picture = nn.plot_model(siamese(), tmp_path / "model.svg", expand_nested=True, rankdir="LR")
    ElementTree.parse(tmp_path / "model.svg")
    assert "drag to move" in picture.save(tmp_path / "model.html").read_text()
    dot = picture.save(tmp_path / "model.dot").read_text()
    assert "rankdir=LR;" in dot and dot.count("subgraph cluster_") == 2
    assert dot.count("{") == dot.count("}") and len(re.findall(r" -> ", dot)) == 7
    assert picture._repr_mimebundle_()["image/svg+xml"] == picture.to_svg()
    with pytest.raises(sf.ArgumentError, match=r"model.gif does not end .*\n?"):
        picture.save(tmp_path / "model.gif")
    with pytest.raises(sf.ArgumentError, match="rankdir='UP' is not known"):
        nn.plot_model(siamese(), rankdir="UP")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a Chromium browser")
def test_a_browser_draws_pixels(tmp_path: Any) -> None:
    picture = Picture(nested("TB"), dpi=192)
    svg = picture.to_svg()
    data = picture.save(tmp_path / "nest.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert f'width="{width // 2}" height="{height // 2}"' in svg


def test_without_a_browser_there_are_no_pixels(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sf.UnsupportedError, match="no Chromium on the PATH"):
        Picture(nested("TB")).to_png()
