"""Runs recorded beforehand, and the page that plays them without a server."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from .page import page
from .programs import Programs
from .session import Frame, Session, State
from .settings import Settings

__all__ = ["PRESETS", "Preset", "Recording", "export", "record"]

FRAMES = 48


class Preset(Struct, frozen=True):
    """A run worth watching: what to look at, what is picked, and for how many epochs."""

    title: str
    text: str
    settings: Settings
    epochs: int


class Recording(Struct, frozen=True):
    """A run as the page takes it; nothing in it depends on how fast it was."""

    title: str
    text: str
    state: State
    frames: list[Frame]


PRESETS = (
    Preset(
        "A ring around a disc",
        "Four neurons cut the plane by straight lines; two more put the pieces together.",
        Settings(data="circle", noise=0.12, layers=(4, 2), learning_rate=0.02),
        60,
    ),
    Preset(
        "Exclusive or",
        "With ReLU the boundary is made of straight edges.",
        Settings(
            data="xor", noise=0.05, layers=(6,), activation="relu", learning_rate=0.02, seed=3
        ),
        120,
    ),
    Preset(
        "Spiral, all features",
        "Squares and sines of the coordinates make a hard problem easier.",
        Settings(
            data="spiral",
            noise=0.06,
            features=("x1", "x2", "x1²", "x2²", "x1·x2", "sin x1", "sin x2"),
            layers=(8, 4),
            learning_rate=0.01,
            train_share=0.7,
        ),
        200,
    ),
    Preset(
        "Spiral, coordinates alone",
        "Three layers find by themselves what the features gave before, and take longer.",
        Settings(data="spiral", noise=0.06, layers=(8, 8, 6), learning_rate=0.01, train_share=0.7),
        600,
    ),
    Preset(
        "Too few, too noisy",
        "Forty points, much noise, no penalty: the loss of the test rises while that of the "
        "training falls.",
        Settings(data="moons", noise=0.45, train_share=0.1, layers=(8, 8), learning_rate=0.03),
        400,
    ),
    Preset(
        "The same with L2",
        "The penalty keeps weights small and the boundary smooth.",
        Settings(
            data="moons",
            noise=0.45,
            train_share=0.1,
            layers=(8, 8),
            learning_rate=0.03,
            penalty="L2",
            penalty_rate=0.03,
        ),
        400,
    ),
    Preset(
        "Hills and hollows",
        "A regression: the network learns a surface.",
        Settings(
            data="hills",
            noise=0.05,
            layers=(8, 8),
            activation="gelu",
            learning_rate=0.01,
            train_share=0.8,
        ),
        300,
    ),
)


def record(preset: Preset, programs: Programs, frames: int = FRAMES) -> Recording:
    """Train a preset, with pictures that lie close together where learning is quick."""
    session = Session(preset.settings, programs)
    shots = [session.frame()]
    for epoch in _moments(preset.epochs, frames):
        session.advance(epoch * session.epoch_steps - session.steps)
        shots.append(session.frame())
    return Recording(preset.title, preset.text, session.state(), shots)


def export(
    path: str | Path, presets: Sequence[Preset] = PRESETS, frames: int = FRAMES
) -> list[dict[str, Any]]:
    """Write the page with recordings of the presets; what each one has learnt.

    It is one file that loads nothing, and the same presets give the same bytes.
    """
    programs = Programs()
    recordings = [record(preset, programs, frames) for preset in presets]
    packed = zlib.compress(msgspec.json.encode(recordings), 9)
    Path(path).write_text(page(base64.b64encode(packed).decode()), encoding="utf-8")
    return [_outcome(one) for one in recordings]


def _moments(epochs: int, frames: int) -> list[int]:
    """Epochs from 1 to the last, at growing distances."""
    return sorted({round(epoch) for epoch in np.geomspace(1, epochs, frames)})


def _outcome(recording: Recording) -> dict[str, Any]:
    last = recording.frames[-1]
    return {
        "title": recording.title,
        "epochs": last.epoch,
        "train_loss": last.train_loss,
        "test_loss": last.test_loss,
        "test_accuracy": last.test_accuracy,
    }
