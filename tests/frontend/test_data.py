"""Data sets: batches, their order, augmentation, prefetching; and the sets that come by name."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import symfuse as sf
from symfuse.data.prefetch import ahead

X = np.arange(40, dtype=np.float32).reshape(10, 2, 2)
Y = np.arange(10)


def labels(batches):
    return [y.tolist() for _, y in batches]


def test_batches_hold_every_example_once():
    data = sf.data.Dataset(X, Y, batch_size=4)
    assert len(data) == 3
    assert labels(data) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    x, _ = next(iter(data))
    np.testing.assert_array_equal(x, X[:4])


def test_the_short_batch_can_be_left_out():
    data = sf.data.Dataset(X, Y, batch_size=4, drop_last=True)
    assert len(data) == 2 and len(list(data)) == 2


def test_examples_keep_their_labels_in_a_shuffled_order():
    data = sf.data.Dataset(X, Y, batch_size=4, shuffle=True, seed=3)
    first, second = list(data), list(data)
    for x, y in first:
        np.testing.assert_array_equal(x, X[y])
    assert sorted(np.concatenate([y for _, y in first])) == Y.tolist()
    assert labels(first) != labels(second)


def test_an_epoch_is_the_same_in_every_run():
    def made(seed):
        return sf.data.Dataset(X, Y, shuffle=True, seed=seed, augment=sf.data.noise(1.0))

    one = made(1)
    epochs = [list(one) for _ in range(3)]
    resumed = list(made(1).at_epoch(2))
    for (x, y), (u, v) in zip(epochs[2], resumed, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)
    assert labels(made(2)) != labels(epochs[0])


def test_containers_of_arrays_are_cut_together():
    data = sf.data.Dataset({"a": X, "b": Y}, (Y, -Y), batch_size=6)
    x, (up, down) = list(data)[1]
    assert x["b"].tolist() == up.tolist() == [6, 7, 8, 9]
    assert (down == -up).all() and x["a"].shape == (4, 2, 2)
    assert repr(data) == (
        "Dataset({'a': 'float32[2, 2]', 'b': 'int64[]'}, ('int64[]', 'int64[]'): "
        "10 examples, 2 batches of 6)"
    )


def test_a_data_set_is_split_after_permuting():
    data = sf.data.Dataset(X, Y, shuffle=True, augment=sf.data.flip()).permuted(seed=1)
    first, last = data.split(0.2)
    assert (first.examples, last.examples) == (8, 2)
    assert first.shuffle and first.augment and not last.shuffle and not last.augment
    assert sorted([*first.y, *last.y]) == Y.tolist()
    assert last.y.tolist() != [8, 9]


def test_a_function_maps_all_examples_and_keeps_the_settings():
    data = sf.data.Dataset(X, Y, batch_size=4, shuffle=True, seed=1)
    found = data.map(lambda x, y: (x.reshape(len(x), -1), y % 2))
    assert found.x.shape == (10, 4) and found.shuffle and found.batch_size == 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sf.data.Dataset(X, Y[:9]), r"first axis, which differs: \(10, 2, 2\), \(9,\)"),
        (lambda: sf.data.Dataset(X, 3), r"which differs: \(10, 2, 2\), \(\)"),
        (lambda: sf.data.Dataset(X[:0], Y[:0]), "which is empty"),
        (lambda: sf.data.Dataset(X, Y, batch_size=0), "batch_size is 0"),
        (lambda: sf.data.Dataset(X, Y).split(1.0), "1.0 of 10 examples leaves one part empty"),
        (lambda: sf.data.flip(probability=2), "probability is 2"),
        (lambda: sf.data.crop(-1), "padding is -1"),
        (lambda: sf.data.noise(-1.0), "stddev is -1"),
        (lambda: sf.data.noise(1.0)(None, Y), "noise cannot be added to int64"),
        (lambda: sf.data.flip()(None, Y), r"shape \(10,\) has no axis 2"),
    ],
)
def test_what_cannot_be_is_refused_in_the_users_line(call, message):
    with pytest.raises(sf.SymfuseError, match=message) as raised:
        call()
    assert raised.value.user_frame[0] == __file__ and raised.value.fix


def test_models_are_trained_on_data_sets_and_resume_at_an_epoch():
    def model():
        made = sf.nn.Sequential([sf.nn.Input(2), sf.nn.Dense(1)])
        made.compile("adam", "mse")
        return made

    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 2)).astype(np.float32)
    settings = {"batch_size": 8, "shuffle": True, "seed": 3, "augment": sf.data.noise(0.1)}
    whole, parts = model(), model()
    whole.fit(sf.data.Dataset(x, x[:, :1], prefetch=1, **settings), epochs=3, verbose=0)
    parts.fit(sf.data.Dataset(x, x[:, :1], **settings), epochs=1, verbose=0)
    parts.fit(sf.data.Dataset(x, x[:, :1], **settings), initial_epoch=1, epochs=3, verbose=0)
    for one, other in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


# augmentation


def test_flips_mirror_some_examples(rng):
    x = np.arange(400.0).reshape(100, 2, 2)
    found = sf.data.flip(probability=0.5)(rng, x)
    mirrored = (found == x[:, :, ::-1]).all(axis=(1, 2))
    same = (found == x).all(axis=(1, 2))
    assert (mirrored ^ same).all() and 20 < mirrored.sum() < 80


def test_crops_are_pieces_of_the_padded_picture(rng):
    x = rng.standard_normal((50, 5, 4, 3)).astype(np.float32)
    found = sf.data.crop(2)(rng, x)
    wide = np.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)])
    assert found.dtype == x.dtype
    moves = {_place(piece, picture) for piece, picture in zip(found, wide, strict=True)}
    assert None not in moves and len(moves) > 10


def _place(piece, wide):
    rows, columns = piece.shape[:2]
    for top in range(5):
        for left in range(5):
            if (wide[top : top + rows, left : left + columns] == piece).all():
                return top, left
    return None


def test_noise_has_its_spread(rng):
    found = sf.data.noise(0.5)(rng, np.ones((100, 100), np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose([found.mean(), found.std()], [1, 0.5], atol=0.02)


# prefetching


def test_prefetching_changes_no_batch():
    settings = {"shuffle": True, "seed": 5, "batch_size": 3, "augment": sf.data.noise(0.1)}
    plain, fetched = (
        sf.data.Dataset(X, Y, **settings),
        sf.data.Dataset(X, Y, prefetch=2, **settings),
    )
    for _ in range(2):
        for (x, y), (u, v) in zip(plain, fetched, strict=True):
            np.testing.assert_array_equal(x, u)
            np.testing.assert_array_equal(y, v)


def test_items_are_made_ahead_in_another_thread():
    made, threads = [], set()
    third = threading.Event()

    def items():
        for item in range(5):
            threads.add(threading.current_thread())
            made.append(item)
            if item == 2:
                third.set()
            yield item

    iterator = ahead(items(), 2)
    assert next(iterator) == 0
    assert third.wait(10), "two more are made while nobody asks"
    assert len(made) <= 4
    assert list(iterator) == [1, 2, 3, 4]
    assert threading.current_thread() not in threads


def test_an_error_in_the_thread_comes_out():
    def items():
        yield 1
        raise ValueError("spoilt")

    iterator = ahead(items(), 1)
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="spoilt"):
        next(iterator)


def test_giving_up_ends_the_thread():
    before = threading.active_count()
    iterator = iter(sf.data.Dataset(X, Y, batch_size=1, prefetch=1))
    next(iterator)
    assert threading.active_count() == before + 1
    iterator.close()
    assert threading.active_count() == before


# named sets


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("digits", (1797, 8, 8), 10),
        ("iris", (150, 4), 3),
        ("breast_cancer", (569, 30), 2),
        ("blobs", (300, 2), 3),
        ("moons", (300, 2), 2),
        ("circles", (300, 2), 2),
        ("spirals", (300, 2), 2),
        ("xor", (300, 2), 2),
    ],
)
def test_sets_of_classes(name, shape, classes):
    x, y = getattr(sf.datasets, name)()
    assert (x.shape, x.dtype, y.dtype) == (shape, np.float32, np.int64)
    assert np.unique(y).tolist() == list(range(classes))


def test_the_other_sets():
    x, y = sf.datasets.diabetes()
    assert x.shape == (442, 10) and y.dtype == np.float32
    club = sf.datasets.karate_club()
    assert club.adjacency.sum() == 2 * 78 and (club.adjacency == club.adjacency.T).all()
    assert club.labels[[0, 33]].tolist() == [0, 1] and club.labels.sum() == 17


def test_generated_sets_are_the_same_in_every_run():
    assert sf.datasets.sentences(5, seed=1) == sf.datasets.sentences(5, seed=1)
    assert sf.datasets.sentences(5, seed=1) != sf.datasets.sentences(5, seed=2)
    pictures, kinds, boxes = sf.datasets.shapes(20)
    assert pictures.shape == (20, 16, 16, 1) and set(kinds) == {0, 1, 2}
    for picture, (top, left, bottom, right) in zip(
        pictures[..., 0], boxes.astype(int), strict=True
    ):
        inside = picture[top:bottom, left:right].mean()
        assert inside > picture.mean() + 0.2
        assert 0 <= top < bottom <= 16 and 0 <= left < right <= 16


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(sf.UnsupportedError, match="scikit-learn, which is not installed") as raised:
        sf.datasets.iris()
    assert raised.value.fix == "pip install scikit-learn"
