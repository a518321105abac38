"""Training as in Keras: Sequential and functional models, compile, fit, evaluate, predict, save."""

import tempfile
from pathlib import Path

import numpy as np

import symfuse as sf
from symfuse.examples.pictures import curves
from symfuse.examples.record import Record, Subject, at_least, equal, main, near

nn = sf.nn


def convolutional(widths=(16, 32), dropout=0.3):
    """Layers one behind the other."""
    return nn.Sequential([
        nn.Input((8, 8, 1)),
        *(nn.Conv2D(width, 3, padding="same", activation="relu") for width in widths),
        nn.MaxPooling2D(2),
        nn.Flatten(),
        nn.Dense(64, activation="relu"),
        nn.Dropout(dropout),
        nn.Dense(10),
    ])  # fmt: skip


def functional():
    """The 3-4-2 network, put together by calling layers."""
    x = nn.Input((3,), dtype="float64")
    h = nn.Dense(4, activation="sigmoid", dtype="float64")(x)
    y = nn.Dense(2, activation="softmax", dtype="float64")(h)
    return nn.Model(x, y, dtype="float64")


def run(quick=False):
    x, y = sf.datasets.digits()
    data = sf.data.Dataset(x[..., None], y, batch_size=48, shuffle=True, drop_last=True)
    training, test = data.permuted(1).split(0.2)
    training, validation = training.split(0.1)
    model = convolutional((12,), 0.0) if quick else convolutional()
    entropy = sf.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(sf.optim.AdamW(3e-3, weight_decay=1e-2), entropy, metrics=["accuracy"])
    stopping = sf.callbacks.EarlyStopping("val_loss", patience=6, restore_best_weights=True)
    history = model.fit(
        training, epochs=3 if quick else 30, verbose=0, callbacks=[stopping],
        validation_data=(validation.x, validation.y),
    ).history  # fmt: skip
    _, right = model.evaluate(test.x, test.y)
    scores = model.predict(test.x)
    with tempfile.TemporaryDirectory() as folder:
        loaded = nn.load_model(model.save(Path(folder) / "digits.sfz"))
        again = loaded.predict(test.x)
    small = functional()
    small.compile("sgd", "mse")
    small.build(np.zeros((1, 3)))
    print(model.summary())
    return Record(
        (
            at_least("CNN: accuracy on digits", right, 0.8 if quick else 0.985),
            near("evaluate and predict", right, np.mean(scores.argmax(1) == test.y), 1e-6),
            near("saved and loaded", again, scores, 0),
            equal("parameters of 3-4-2 in the summary", small.summary().params, 26),
            near("probabilities sum to 1", small.predict(np.ones((5, 3))).sum(1), np.ones(5), 1e-6),
        ),
        Subject(lambda params, x: small.apply(params, {}, x)[0], (small.params, x[:4, 0, :3]),
                wrt=(0, 1)),
        curves({name: history[name] for name in ("loss", "val_loss")}, "loss over epochs",
               x_label="epoch", log=True),
    )  # fmt: skip


if __name__ == "__main__":
    main(run)
