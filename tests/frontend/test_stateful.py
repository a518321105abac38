"""Recurrent layers that go on where the batch before ended: as one long sequence would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symfuse as sf
from symfuse import nn
from symfuse.tracing.tree import flatten

BATCH, STEPS, LONG = 3, 4, 12
CELLS = [nn.SimpleRNN, nn.LSTM, nn.GRU]


def pieces(x: Any) -> Any:
    """The batches of a long sequence, one after the other."""
    return np.concatenate([x[:, at : at + STEPS] for at in range(0, LONG, STEPS)])


def stateful(cell: Any, **options: Any) -> Any:
    x = nn.Input((STEPS, 2), batch_size=BATCH)
    layer = cell(5, stateful=True, return_sequences=True, name="cell", **options)
    return nn.Sequential([x, layer, nn.Dense(1)])


@pytest.mark.parametrize("cell", CELLS)
def test_predictions_go_on_where_the_last_ended(cell: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(BATCH, LONG, 2)).astype("f")
    model = stateful(cell)
    y = model.predict(pieces(x))
    layer = cell(5, return_sequences=True)
    whole = layer.apply(model.params["cell"], {}, x)[0]
    dense = model.params["dense"]
    wanted = whole @ dense["kernel"] + dense["bias"]
    np.testing.assert_allclose(y, pieces(wanted), rtol=1e-4, atol=1e-5)
    again = model.predict(x[:, :STEPS])
    assert np.abs(again - wanted[:, :STEPS]).max() > 1e-3  # it went on
    model.reset_states()
    np.testing.assert_allclose(model(x[:, :STEPS]), wanted[:, :STEPS], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        model(x[:, STEPS : 2 * STEPS]), wanted[:, STEPS : 2 * STEPS], rtol=1e-4, atol=1e-5
    )
    model.get_layer("cell").reset_states()
    assert not any(leaf.any() for leaf in flatten(model.state)[0])


def test_evaluation_goes_on_as_well(rng: np.random.Generator) -> None:
    x = rng.normal(size=(BATCH, LONG, 2)).astype("f")
    model = stateful(nn.GRU)
    model.compile("sgd", "mse")
    wanted = model.predict(pieces(x))
    model.reset_states()
    targets = rng.normal(size=wanted.shape).astype("f")
    found = model.evaluate(pieces(x), targets)
    assert found == pytest.approx(np.mean((wanted - targets) ** 2), rel=1e-5)
    assert model.evaluate(pieces(x), targets) != found


def test_training_hands_states_on_and_no_gradient(rng: np.random.Generator) -> None:
    x = rng.normal(size=(BATCH, LONG, 2)).astype("f")
    y = rng.normal(size=(3 * BATCH, STEPS, 1)).astype("f")
    model, layer = stateful(nn.LSTM), nn.LSTM(5, return_sequences=True, return_state=True)
    model.compile(sf.optim.SGD(0.1), "mse")
    params = {name: dict(part) for name, part in model.params.items()}
    model.fit(pieces(x), y, epochs=2, shuffle=False, verbose=0)
    start = [np.zeros((BATCH, 5), "f")] * 2

    def loss(p: Any, x: Any, y: Any, start: Any) -> Any:
        outputs, *last = layer.apply(p["cell"], {}, x, initial_state=start)[0]
        scores = outputs @ p["dense"]["kernel"] + p["dense"]["bias"]
        return np.mean((scores - y) ** 2), last

    for at in (0, 1, 2) * 2:
        batch = slice(at * BATCH, (at + 1) * BATCH)
        (_, start), slopes = sf.value_and_grad(loss, has_aux=True)(
            params, pieces(x)[batch], y[batch], start
        )
        leaves, tree = flatten(params)
        pairs = zip(leaves, flatten(slopes)[0], strict=True)
        params = tree.unflatten([leaf - np.float32(0.1) * slope for leaf, slope in pairs])
    for one, other in zip(flatten(model.params)[0], flatten(params)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_both_ways_and_models_inside_are_reset(rng: np.random.Generator) -> None:
    x = nn.Input((STEPS, 2), batch_size=BATCH)
    inner = nn.Sequential([nn.Bidirectional(nn.SimpleRNN(3, stateful=True))])
    model = nn.Model(x, nn.Dense(1)(inner(x)))
    data = rng.normal(size=(BATCH, STEPS, 2)).astype("f")
    first, second = model.predict(data), model.predict(data)
    assert np.abs(first - second).max() > 1e-4
    model.reset_states()
    np.testing.assert_array_equal(model.predict(data), first)


def test_a_state_that_is_given_takes_the_place_of_what_was_left(rng: np.random.Generator) -> None:
    layer = nn.GRU(5, stateful=True)
    x, start = rng.normal(size=(BATCH, STEPS, 2)), rng.normal(size=(BATCH, 5))
    params, state = layer.init(sf.random.key(0), x)
    state["carried_0"] = np.ones((BATCH, 5), "f")
    y, new = layer.apply(params, state, x, initial_state=start.astype("f"))
    wanted = nn.GRU(5).apply(params, {}, x, initial_state=start.astype("f"))[0]
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(new["carried_0"], y)


def test_batches_of_other_sizes_are_refused(rng: np.random.Generator) -> None:
    model = stateful(nn.LSTM)
    with pytest.raises(sf.ShapeError, match="for batches of 3 examples, and there is one of 2"):
        model.predict(rng.normal(size=(5, STEPS, 2)))
    with pytest.raises(sf.ArgumentError, match="batches have no fixed size") as caught:
        nn.LSTM(3, stateful=True)(nn.Input((STEPS, 2)))
    assert "batch_size" in caught.value.fix
