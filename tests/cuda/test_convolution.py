"""Convolutions, pooling and their derivatives on the simulated device."""

from __future__ import annotations

import numpy as np
import pytest
from cuda.on_device import needs_compiler, simulated

import symfuse as sf
from symfuse.nn import functional as nn

pytestmark = needs_compiler


def network(x, kernel):
    y = nn.relu(nn.conv(x, kernel, 1, "same"))
    return nn.conv(nn.max_pool(y, 2), kernel[:, :, :3], 2, 1, groups=2)


def gradient(x, kernel):
    return sf.grad(lambda x, k: np.square(network(x, k)).sum(), argnums=(0, 1))(x, kernel)


@pytest.mark.parametrize("function", [network, gradient], ids=lambda f: f.__name__)
@pytest.mark.parametrize("sizes", ["2,9,10", "B,H,W"])
def test_a_convolutional_network_gives_the_same_on_the_device(function, sizes):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(2, 9, 10, 6)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 6, 6)).astype(np.float32)
    with simulated():
        compiled = sf.compile(function, f"f32[{sizes},6]", "f32[3,3,6,6]", target="cuda")
        found = compiled(x, kernel)
    wanted = function(x, kernel)
    if not isinstance(wanted, tuple):
        found, wanted = (found,), (wanted,)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-4, atol=1e-3)
