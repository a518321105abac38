"""The time of each kernel: of every launch, on the user's arguments, which stay as they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

import symfuse as sf


def normalised(params, x):
    hidden = np.tanh(x @ params["w"])
    return {"y": hidden / hidden.sum(axis=1, keepdims=True), "slope": hidden.T @ x}


@pytest.mark.parametrize("count", [3, 3000])
def test_every_launch_has_its_time(count):
    exe = sf.compile(normalised, {"w": "f32[32,32]"}, "f32[N,32]")
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(32, 32)).astype("f")}
    found = exe.profile(params, rng.normal(size=(count, 32)).astype("f"))
    assert [row.name for row in found.rows] == [launch.name for launch in exe.program.launches]
    assert all(row.seconds > 0 and row.nbytes > 0 for row in found.rows)
    assert all("test_profile.py" in row.lines[0] for row in found.rows)
    assert (max(row.chunks for row in found.rows) > 1) == (count == 3000)
    assert found.whole < 3 * found.total, "the launches are not all of the program"
    assert "whole program" in str(found)
    assert json.loads(json.dumps(found.as_dict()))["rounds"] >= 10


def test_arguments_stay_as_they_are():
    exe = sf.compile(lambda x: x + 1, "f32[8]", donate_argnums=0)
    x = np.zeros(8, "float32")
    exe.profile(x)
    np.testing.assert_array_equal(x, 0)


def test_wrong_arguments_are_refused_at_the_users_line():
    exe = sf.compile(lambda x: x + 1, "f32[8]")
    with pytest.raises(sf.GuardError, match="shape") as caught:
        exe.profile(np.zeros(9, "float32"))
    assert caught.value.user_frame[0] == __file__
    with pytest.raises(sf.UnsupportedError, match="interpret"):
        sf.compile(lambda x: x + 1, "f32[8]", target="interpret").profile(np.zeros(8, "float32"))
