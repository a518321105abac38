"""What all tests share: seeded numbers, a clean environment, peers that may be absent."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from symfuse.runtime import options

settings.register_profile(
    "local", deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, max_examples=50)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="write what was found into the golden files, for review as a diff",
    )
    parser.addoption(
        "--rewrite-counts",
        action="store_true",
        help="write the kernels and bytes of the models into counts.json, for review as a diff",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `peer("torch")` where that package is not installed."""
    for name in (name for mark in item.iter_markers("peer") for name in mark.args):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"compares with {name}, which is not installed")


@pytest.fixture(scope="session", autouse=True)
def _no_trace_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is compiled here out of the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMFUSE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        options.reload()
        yield
    options.reload()


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(20240229)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets variables (None removes one) for a test and has the options read them."""

    def set_variables(**variables: str | None) -> None:
        for name, value in variables.items():
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        options.reload()

    yield set_variables
    monkeypatch.undo()
    options.reload()
