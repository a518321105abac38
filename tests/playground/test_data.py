"""The data sets: how many points, where they lie, what a seed and the noise do."""

from __future__ import annotations

import numpy as np
import pytest

from symfuse.playground.data import COUNT, DATA_SETS, LIMIT, drawn, square
from symfuse.playground.settings import Settings

EVERY = pytest.mark.parametrize("name", DATA_SETS)


@EVERY
def test_points_are_split_as_the_share_says(name):
    points = drawn(Settings(data=name, train_share=0.3))
    assert points.train_x.shape == (round(0.3 * COUNT), 2)
    assert len(points.train_x) + len(points.test_x) == COUNT
    assert {a.dtype for a in (points.train_x, points.train_y, points.test_y)} == {np.dtype("f4")}


@EVERY
def test_the_same_seed_draws_the_same_points(name):
    first, again, other = (drawn(Settings(data=name, seed=seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.train_x, again.train_x)
    np.testing.assert_array_equal(first.test_y, again.test_y)
    assert not np.array_equal(first.train_x, other.train_x)


@EVERY
def test_points_without_noise_lie_in_the_square(name):
    x = drawn(Settings(data=name, noise=0.0)).train_x
    assert np.abs(x).max() <= LIMIT
    assert np.ptp(x, axis=0).min() > LIMIT / 2


@pytest.mark.parametrize("name", [n for n, d in DATA_SETS.items() if d.problem == "classification"])
def test_both_classes_are_there_in_both_parts(name):
    points = drawn(Settings(data=name))
    for y in (points.train_y, points.test_y):
        assert set(y) == {0, 1}
        assert 0.35 < y.mean() < 0.65


@pytest.mark.parametrize("name", [n for n, d in DATA_SETS.items() if d.problem == "regression"])
def test_targets_of_regressions_fill_the_range(name):
    y = drawn(Settings(data=name, noise=0.0)).train_y
    assert -1 <= y.min() < -0.6
    assert 0.6 < y.max() <= 1


def test_noise_makes_classes_overlap():
    clean, noisy = (drawn(Settings(data="circle", noise=noise)) for noise in (0.0, 0.5))

    def wrong(points):
        inside = np.hypot(*points.train_x.T) < 0.9 * 4
        return np.mean(inside == (points.train_y > 0.5))

    assert wrong(clean) == 0
    assert wrong(noisy) > 0.05


def test_the_square_is_read_by_rows_from_the_top():
    places = square(4).reshape(4, 4, 2)
    np.testing.assert_allclose(places[0, 0], [-4.5, 4.5])
    np.testing.assert_allclose(places[0, 3], [4.5, 4.5])
    np.testing.assert_allclose(places[3, 0], [-4.5, -4.5])
