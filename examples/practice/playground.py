"""The playground that `symfuse play` serves, without its page: data, features, layers, activation,
penalty and rates are picked, and a compiled step learns; changed rates compile nothing."""

import numpy as np

from symfuse.examples.pictures import plane
from symfuse.examples.record import Record, Subject, at_least, equal, main
from symfuse.playground import Session, Settings
from symfuse.playground.data import LIMIT
from symfuse.playground.network import FEATURES, objective, responses

CHOICES = {
    "circle": Settings(),
    "xor": Settings(data="xor", layers=(6,), activation="relu", learning_rate=0.02, seed=3),
    "moons": Settings(data="moons", layers=(6,), penalty="L2", penalty_rate=1e-4),
    "spiral": Settings(
        data="spiral", noise=0.06, train_share=0.7, features=tuple(FEATURES), layers=(8, 4)
    ),
    "hills": Settings(data="hills", train_share=0.8, layers=(8, 8), activation="gelu"),
}


def learnt(settings, epochs):
    """A session after the epochs; the rate of the second half is a third."""
    session = Session(settings)
    half = epochs // 2 * session.epoch_steps
    session.advance(half)
    session.change({"learning_rate": settings.learning_rate / 3})
    session.advance(half)
    return session


def run(quick=False):
    chosen = ("circle",) if quick else CHOICES
    sessions = {name: learnt(CHOICES[name], 40 if quick else 200) for name in chosen}
    shown = sessions["circle" if quick else "spiral"]
    network, params, points = shown.program.network, shown.params, shown.points
    compilations = sum(session.programs.compilations for session in sessions.values())
    return Record(
        (
            *(
                at_least(f"{name}: {score(session)}", session.frame().test_accuracy, 0.9)
                for name, session in sessions.items()
            ),
            equal("compilations for each network", compilations / len(sessions), 1),
        ),
        Subject(
            lambda params, x, y: objective(network, params, x, y, np.asarray(0.01)),
            (params, points.train_x[:6], points.train_y[:6]),
        ),
        plane(
            lambda p: responses(network, params, p)[-1],
            points.test_x,
            points.test_y,
            limit=LIMIT,
        ),
    )


def score(session):
    """What the page calls the accuracy of the problem."""
    return "accuracy" if session.program.network.problem == "classification" else "R²"


if __name__ == "__main__":
    main(run)
