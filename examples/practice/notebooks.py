"""Notebooks: graphs, compiled functions and reports display themselves."""

import numpy as np

import symfuse as sf
from symfuse.examples.record import Record, Subject, equal, main


def layer(x, w, b):
    hidden = np.tanh(x @ w + b)
    return hidden.sum(axis=1)


def shown(value):
    """What Jupyter gets when a cell ends with the value: text, and a picture or a page."""
    return value._repr_mimebundle_()


def run(quick=False):
    rng = np.random.default_rng(0)
    args = tuple(rng.normal(size=s) for s in ((4, 3), (3, 5), (5,)))
    graph, compiled = sf.trace(layer, *args), sf.compile(layer, *args)
    values = {"graph": graph, "compiled function": compiled}
    bundles = {name: shown(value) for name, value in values.items()}
    texts = [bundle["text/plain"] for bundle in bundles.values()]
    pictures = [b for b in bundles.values() if {"image/svg+xml", "text/html"} & set(b)]
    drawn = [b.get("image/svg+xml", b.get("text/html")) for b in pictures]
    return Record(
        (
            equal("values with a text", sum(map(bool, texts)), len(values)),
            equal("values with a picture", len(pictures), len(values)),
            equal("pictures with an svg inside", sum("<svg" in d for d in drawn), len(values)),
            equal("pictures that load something", sum('src="http' in d for d in drawn), 0),
        ),
        Subject(layer, args, wrt=(0, 1, 2)),
        graph.to_svg(),
    )


if __name__ == "__main__":
    main(run)
