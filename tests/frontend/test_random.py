"""Random numbers: the published words, the same bits however computed, the right distributions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import symfuse as sf
from symfuse import random
from symfuse.random import draws
from symfuse.random.threefry import threefry
from symfuse.random.uniforms import scaled, symmetric, unit, upper_product
from symfuse.runtime import options
from symfuse.runtime.dtypes import DType

KEY = random.key(2011)
SHAPES = [(), (0,), (1,), (33,), (5, 7)]
N = sf.dim("N")

# Of Random123's tests: counter, key, words.
KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]

SAME_BITS = {
    "bits": lambda key, shape: random.bits(key, shape),
    "bits u8": lambda key, shape: random.bits(key, shape, "uint8"),
    "bits u64": lambda key, shape: random.bits(key, shape, "uint64"),
    "uniform f16": lambda key, shape: random.uniform(key, shape, "float16"),
    "uniform f32": lambda key, shape: random.uniform(key, shape, "float32"),
    "uniform f64": lambda key, shape: random.uniform(key, shape),
    "uniform between f32": lambda key, shape: random.uniform(key, shape, "float32", -3, 5.5),
    "uniform between f64": lambda key, shape: random.uniform(key, shape, None, 0.1, 0.7),
    "normal f16": lambda key, shape: random.normal(key, shape, "float16"),
    "normal f32": lambda key, shape: random.normal(key, shape, "float32"),
    "normal f64": lambda key, shape: random.normal(key, shape),
    "bernoulli": lambda key, shape: random.bernoulli(key, 0.3, shape),
    "rademacher": lambda key, shape: random.rademacher(key, shape, "int8"),
    "randint": lambda key, shape: random.randint(key, shape, -5, 9),
    "randint u8": lambda key, shape: random.randint(key, shape, 0, 256, "uint8"),
    "randint wide": lambda key, shape: random.randint(key, shape, -(2**62), 2**63 - 5),
    "randint all": lambda key, shape: random.randint(key, shape, -(2**63), 2**63),
    "choice": lambda key, shape: random.choice(key, 10, shape),
    "choice, each once": lambda key, shape: random.choice(key, 40, shape, replace=False),
}
SAME_VALUES = {
    "gumbel": lambda key, shape: random.gumbel(key, shape, "float32"),
    "exponential": lambda key, shape: random.exponential(key, shape),
    "laplace": lambda key, shape: random.laplace(key, shape, "float32"),
    "logistic": lambda key, shape: random.logistic(key, shape),
    "cauchy": lambda key, shape: random.cauchy(key, shape, "float32"),
    "truncated_normal": lambda key, shape: random.truncated_normal(key, -1.0, 2.0, shape),
    "gamma": lambda key, shape: random.gamma(key, 0.4, shape),
    "loggamma f32": lambda key, shape: random.loggamma(key, 3.0, shape, "float32"),
    "beta": lambda key, shape: random.beta(key, 2.0, 0.7, shape),
    "chisquare": lambda key, shape: random.chisquare(key, 3.0, shape),
    "dirichlet": lambda key, shape: random.dirichlet(key, np.array([0.3, 2.0]), shape)[..., 0],
    "t f32": lambda key, shape: random.t(key, 4.0, shape, "float32"),
    "poisson": lambda key, shape: random.poisson(key, 3.0, shape),
    "poisson of a great mean": lambda key, shape: random.poisson(key, 1e3, shape),
}


def _u32(*words):
    return tuple(np.array([word], np.uint32) for word in words)


# --- the generator and its keys


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_words_are_the_published_ones(counter, key, words):
    found = threefry(_u32(*key), _u32(*counter))
    assert tuple(int(word[0]) for word in found) == words
    compiled = sf.jit(lambda key, counter: threefry(key, counter))(_u32(*key), _u32(*counter))
    assert tuple(int(word[0]) for word in compiled) == words


def test_keys_and_bits_are_those_of_jax():
    key = random.key(42)
    np.testing.assert_array_equal(key, np.array([0, 42], np.uint32))
    np.testing.assert_array_equal(
        random.split(key), [[1832780943, 270669613], [64467757, 2916123636]]
    )
    np.testing.assert_array_equal(random.fold_in(key, 7), [2547012911, 1371500959])
    np.testing.assert_array_equal(random.bits(key, (3,)), [2098992034, 2919706841, 2646866425])


def test_seeds_of_64_bits_and_negative_ones_are_kept_apart():
    keys = [random.key(seed) for seed in (0, 1, 2**32, 2**63 + 1, -1, np.int32(5))]
    assert len({tuple(map(int, key)) for key in keys}) == len(keys)
    np.testing.assert_array_equal(random.key(-1), np.full(2, 2**32 - 1, np.uint32))
    for seed in (3, -3, 2**40 + 1):
        np.testing.assert_array_equal(sf.jit(random.key)(seed), random.key(seed))
        np.testing.assert_array_equal(sf.jit(random.fold_in)(KEY, seed), random.fold_in(KEY, seed))


def test_a_key_for_a_number_is_one_of_the_split_keys():
    np.testing.assert_array_equal(random.fold_in(KEY, 4), random.split(KEY, 9)[4])


def test_split_takes_shapes_and_open_sizes():
    assert random.split(KEY, (2, 3)).shape == (2, 3, 2)
    np.testing.assert_array_equal(random.split(KEY, (2, 3)).reshape(6, 2), random.split(KEY, 6))
    exe = sf.compile(lambda key, x: random.split(key, x.shape[0]), "u32[2]", "f32[N]")
    np.testing.assert_array_equal(exe(KEY, np.ones(9, "float32")), random.split(KEY, 9))


def test_elements_do_not_depend_on_how_many_there_are():
    np.testing.assert_array_equal(random.bits(KEY, (100_000,))[:10], random.bits(KEY, (10,)))
    np.testing.assert_array_equal(random.bits(KEY, (4, 5)).ravel(), random.bits(KEY, (20,)))


def test_numbers_beyond_32_bits_have_a_high_word():
    count = 2**32 + 5
    last = sf.compile(lambda key: random.bits(key, (count,), "uint64")[-3:], "u32[2]")
    words = threefry(tuple(KEY[:, None]), (np.full(3, 1, np.uint32), np.arange(2, 5, dtype="u4")))
    expected = (words[0].astype("u8") << np.uint64(32)) | words[1]
    np.testing.assert_array_equal(last(KEY), expected)


# --- the same however it is computed


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("draw", SAME_BITS.values(), ids=SAME_BITS)
def test_compiled_draws_have_the_bits_of_eager_ones(draw, shape):
    eager, compiled = draw(KEY, shape), sf.jit(lambda key: draw(key, shape))(KEY)
    assert np.shape(eager) == shape
    assert np.asarray(compiled).dtype == np.asarray(eager).dtype
    np.testing.assert_array_equal(compiled, eager)


@pytest.mark.parametrize("draw", SAME_VALUES.values(), ids=SAME_VALUES)
def test_compiled_draws_are_near_eager_ones(draw):
    for shape in SHAPES:
        eager = draw(KEY, shape)
        digits = 1e-6 if np.asarray(eager).dtype == np.float32 else 1e-14
        compiled = sf.jit(lambda key, shape=shape: draw(key, shape))(KEY)
        np.testing.assert_allclose(compiled, eager, rtol=digits, atol=digits)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_open_sizes_and_threads_change_nothing(dtype):
    def noisy(key, x):
        return x + random.normal(key, x.shape, dtype)

    spec = sf.spec((N, 7), dtype)
    few, many = (sf.compile(noisy, "u32[2]", spec, threads=threads) for threads in (1, 2))
    for n in (0, 1, 5, 3001):
        x = np.zeros((n, 7), dtype)
        expected = random.normal(KEY, (n, 7), dtype)
        np.testing.assert_array_equal(few(KEY, x), expected)
        np.testing.assert_array_equal(many(KEY, x), expected)


def test_draws_fuse_with_what_uses_them():
    def dropped(key, x):
        return np.where(random.bernoulli(key, 0.9, x.shape), x / np.float32(0.9), np.float32(0))

    exe = sf.compile(dropped, "u32[2]", "f32[N,64]")
    assert len(exe.kernels) == 1
    assert len(sf.compile(lambda key: random.uniform(key, (10**6,)), "u32[2]").kernels) == 1
    assert exe(KEY, np.ones((500, 64), "float32")).mean() == pytest.approx(1, abs=0.01)


def test_batches_are_what_a_loop_draws():
    keys = random.split(KEY, 4)
    draw = sf.vmap(lambda key: random.normal(key, (3,), "float32"))
    expected = np.stack([random.normal(key, (3,), "float32") for key in keys])
    np.testing.assert_array_equal(draw(keys), expected)
    np.testing.assert_array_equal(sf.jit(draw)(keys), expected)
    steps = sf.jit(sf.vmap(lambda i: random.fold_in(KEY, i)))(np.arange(4))
    np.testing.assert_array_equal(steps, [random.fold_in(KEY, i) for i in range(4)])


def test_gradients_pass_through_location_scale_and_bounds():
    def total(low, high, key):
        u = random.uniform(key, (5,), None, low, high)
        return (low + high * random.normal(key, (5,))).sum() + u.sum()

    found = sf.jit(sf.grad(total, argnums=(0, 1)))(1.0, 2.0, KEY)
    u, z = random.uniform(KEY, (5,)), random.normal(KEY, (5,))
    np.testing.assert_allclose(found, [5 + (1 - u).sum(), (z + u).sum()])


# --- distributions

CONTINUOUS = [
    ("uniform", {}, stats.uniform()),
    ("uniform", {"minval": -2, "maxval": 3.0}, stats.uniform(-2, 5)),
    ("normal", {}, stats.norm()),
    ("exponential", {}, stats.expon()),
    ("gumbel", {}, stats.gumbel_r()),
    ("gumbel", {"mode": "high"}, stats.gumbel_r()),
    ("laplace", {}, stats.laplace()),
    ("logistic", {}, stats.logistic()),
    ("cauchy", {}, stats.cauchy()),
    ("gamma", {"a": 0.3}, stats.gamma(0.3)),
    ("gamma", {"a": 1.0}, stats.gamma(1.0)),
    ("gamma", {"a": 40.0}, stats.gamma(40.0)),
    ("loggamma", {"a": 0.5}, stats.loggamma(0.5)),
    ("beta", {"a": 2.0, "b": 0.7}, stats.beta(2.0, 0.7)),
    ("chisquare", {"df": 3.0}, stats.chi2(3.0)),
    ("t", {"df": 3.0}, stats.t(3.0)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options", "law"), CONTINUOUS)
def test_draws_follow_their_distribution(name, options, law, dtype):
    x = getattr(random, name)(KEY, shape=(40_000,), dtype=dtype, **options)
    assert np.isfinite(x).all()
    assert stats.kstest(x.astype("float64"), law.cdf).pvalue > 0.005


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_the_normal_distribution(dtype):
    x = random.normal(KEY, (200_000,), dtype).astype("float64")
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((x**power).mean() - moment) < 4 * np.sqrt(variance / x.size)


def test_truncated_normals_stay_between_their_bounds():
    x = random.truncated_normal(KEY, -1.0, np.full(20_000, 2.0))
    assert x.min() > -1 and x.max() < 2
    assert stats.kstest(x, stats.truncnorm(-1, 2).cdf).pvalue > 0.005
    far = random.truncated_normal(KEY, 3.0, 3.5, (1000,), "float32")
    assert far.min() > 3 and far.max() < 3.5


@pytest.mark.parametrize("p", [0.0, 0.1, 0.25, 0.5, 1.0])
def test_truth_values_have_their_probability(p):
    count = 50_000
    chosen = random.bernoulli(KEY, p, (count,))
    assert abs(chosen.mean() - p) <= 4 * np.sqrt(p * (1 - p) / count)
    np.testing.assert_array_equal(chosen, random.bernoulli(KEY, np.float64(p), (count,)))
    np.testing.assert_array_equal(
        chosen[:100], sf.jit(lambda p: random.bernoulli(KEY, p, (count,)))(p)[:100]
    )


def test_truth_values_take_the_shape_of_their_probabilities():
    p = np.array([[0.0, 1.0, 0.5]], "float32")
    assert random.bernoulli(KEY, p).shape == (1, 3)
    chosen = random.bernoulli(KEY, p, (400, 3))
    assert chosen[:, 0].sum() == 0 and chosen[:, 1].all() and 150 < chosen[:, 2].sum() < 250


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64"])
def test_integers_are_equally_frequent(dtype):
    x = random.randint(KEY, (60_000,), 3, 9, dtype)
    assert x.dtype == dtype
    found = np.bincount(x, minlength=9)[3:]
    assert found.size == 6 and stats.chisquare(found).pvalue > 0.005
    low, high = np.array([3], dtype), np.array(9, dtype)
    np.testing.assert_array_equal(random.randint(KEY, (60_000,), low, high, dtype), x)


def test_integers_of_wide_ranges_use_more_words():
    x, y = (np.random.default_rng(seed).integers(0, 2**64, 50, dtype="uint64") for seed in (0, 1))
    exact = [(int(a) * int(b)) >> 64 for a, b in zip(x, y, strict=True)]
    np.testing.assert_array_equal(upper_product(x, y), np.array(exact, "uint64"))
    wide = random.randint(KEY, (20_000,), -(2**62), 2**63 - 1)
    assert stats.kstest(wide / 2.0**62, stats.uniform(-1, 3).cdf).pvalue > 0.005


def test_bounds_that_leave_nothing_give_the_lower_one():
    low, high = np.array([0, 5, 10, -3]), np.array([1, 6, 12, -4])
    x = random.randint(KEY, (4,), low, high)
    assert (x[0], x[1], x[3]) == (0, 5, -3) and x[2] in (10, 11)


def test_categories_have_their_weights():
    weights = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    chosen = random.categorical(KEY, np.log(weights), shape=(20_000, 2))
    for column, expected in zip(chosen.T, weights, strict=True):
        assert stats.chisquare(np.bincount(column), expected * column.size).pvalue > 0.005
    assert random.categorical(KEY, np.log(weights)).shape == (2,)
    assert random.categorical(KEY, np.log(weights), axis=0).shape == (3,)


def test_choices_have_their_probabilities():
    p = np.array([0.1, 0.2, 0.3, 0.0, 0.4])
    found = np.bincount(random.choice(KEY, 5, (20_000,), p=p), minlength=5)
    assert found[3] == 0
    assert stats.chisquare(found[p > 0], 20_000 * p[p > 0]).pvalue > 0.005
    rows = np.arange(12.0).reshape(4, 3)
    assert random.choice(KEY, rows, (2, 5)).shape == (2, 5, 3)
    assert random.choice(KEY, rows, (5,), axis=1).shape == (4, 5)
    draw = sf.compile(lambda key, x, p: random.choice(key, x, (7,), p=p), "u32[2]", *["f64[N]"] * 2)
    x = np.arange(5.0)
    np.testing.assert_array_equal(draw(KEY, x, p), random.choice(KEY, x, (7,), p=p))


@pytest.mark.parametrize("mean", [0.0, 0.02, 3.0, 9.99, 10.0, 200.0])
def test_counts_have_the_probabilities_of_poisson(mean):
    x = random.poisson(KEY, mean, (40_000,))
    assert x.dtype == np.int64 and x.min() >= 0
    law = stats.poisson(mean)
    edges = np.unique(law.ppf(np.linspace(0.02, 0.98, 20)))  # up to each of which there is a group
    expected = np.diff([0.0, *law.cdf(edges), 1.0])
    found = np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1)
    kept = expected > 1e-6
    assert not found[~kept].sum()
    if kept.sum() > 1:
        assert stats.chisquare(found[kept], x.size * expected[kept]).pvalue > 0.005


def test_parameters_may_be_arrays_and_sizes_open():
    means = np.array([0.0, 2.0, 50.0])
    draw = sf.compile(lambda key, lam: random.poisson(key, lam), "u32[2]", "f64[N]")
    np.testing.assert_array_equal(draw(KEY, means), random.poisson(KEY, means))
    shapes = np.array([0.5, 2.0, np.nan, -1.0])
    drawn = random.gamma(KEY, shapes, (5, 4), "float16")
    assert drawn.shape == (5, 4) and drawn.dtype == np.float16
    assert np.isnan(drawn).all(0).tolist() == [False, False, True, True]
    assert random.poisson(KEY, np.array([-1.0, np.nan, 1.0]))[:2].tolist() == [-1, -1]


def test_shares_of_dirichlet_have_their_means():
    alpha = np.array([[0.2, 1.0, 3.0], [5.0, 5.0, 5.0]])
    x = random.dirichlet(KEY, alpha, (20_000, 2))
    np.testing.assert_allclose(x.sum(-1), 1)
    np.testing.assert_allclose(x.mean(0), alpha / alpha.sum(-1, keepdims=True), atol=0.01)
    assert np.isfinite(random.dirichlet(KEY, np.full(3, 1e-4), (100,))).all()


@pytest.mark.parametrize("method", ["cholesky", "eigh", "svd"])
def test_normal_vectors_have_their_covariances(method):
    root = np.array([[1.0, 0.0], [2.0, 0.5]])
    mean, cov = np.array([1.0, -2.0]), root @ root.T
    draw = sf.jit(lambda key: random.multivariate_normal(key, mean, cov, (40_000,), method=method))
    x = draw(KEY)
    np.testing.assert_allclose(x.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(x.T), cov, atol=0.1)
    distances = np.linalg.solve(root, (x - mean).T)
    assert stats.kstest(np.sum(distances**2, 0), stats.chi2(2).cdf).pvalue > 0.005
    batch = random.multivariate_normal(KEY, np.zeros((3, 2)), cov, method=method)
    assert batch.shape == (3, 2)


def test_orders_are_equally_frequent():
    keys = random.split(KEY, 6000)
    orders = sf.jit(sf.vmap(lambda key: random.permutation(key, 3)))(keys)
    found = np.unique(orders, axis=0, return_counts=True)
    assert len(found[0]) == 6 and stats.chisquare(found[1]).pvalue > 0.005
    rows = np.arange(12).reshape(3, 4)
    together = random.permutation(KEY, rows, axis=1)
    assert (np.diff(together, axis=0) == 4).all()
    apart = random.permutation(KEY, rows, axis=1, independent=True)
    np.testing.assert_array_equal(np.sort(apart, 1), rows)
    assert not (np.diff(apart, axis=0) == 4).all()


def test_choices_without_replacement_are_each_made_once():
    chosen = random.choice(KEY, 50, (5, 6), replace=False)
    assert len(set(chosen.ravel().tolist())) == 30
    p = np.array([0.5, 0.0, 0.3, 0.2])
    keys = random.split(KEY, 20_000)
    first = sf.jit(sf.vmap(lambda key: random.choice(key, 4, (3,), replace=False, p=p)))(keys)
    assert not (first == 1).any()
    found = np.bincount(first[:, 0], minlength=4)
    assert stats.chisquare(found[p > 0], 20_000 * p[p > 0]).pvalue > 0.005


def test_whole_numbers_have_no_derivative_in_their_mean():
    with pytest.raises(sf.UnsupportedError, match="rejected") as caught:
        sf.grad(lambda a: random.poisson(KEY, a, (3,)).sum() * a)(2.0)
    assert caught.value.user_frame[0] == __file__
    assert sf.grad(lambda a: a * random.poisson(KEY, sf.stop_gradient(a), ()))(20.0) != 0


@pytest.mark.parametrize("a", [1.0, 1.5, 60.0])
def test_a_draw_of_the_gamma_distribution_keeps_its_rank_when_the_parameter_moves(a):
    def draw(a):
        return random.gamma(KEY, a, (5,))

    x, step = draw(a), 1e-3 * a
    rank, low, high = (stats.gamma(p) for p in (a, a - step, a + step))
    below, above = low.ppf(rank.cdf(x)), high.ppf(rank.cdf(x))
    slope = sf.jit(sf.jacfwd(draw))(a)
    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-5)
    np.testing.assert_array_equal(sf.jacrev(draw)(a), sf.jacfwd(draw)(a))
    bend = sf.jacfwd(sf.jacfwd(draw))(a)
    np.testing.assert_allclose(bend, (above - 2 * x + below) / step**2, rtol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_means_over_draws_have_the_derivatives_of_the_means(dtype):
    def means(a):
        gamma = random.gamma(KEY, a, (20_000,), dtype).mean()
        beta = random.beta(KEY, a, 3.0, (20_000,), dtype).mean()
        chisquare = random.chisquare(KEY, a, (20_000,), dtype).mean()
        share = random.dirichlet(KEY, np.array([1.0, 3.0]) * a, (20_000,), dtype).var(0)[0]
        return gamma, beta, chisquare, share

    a = 0.7
    wanted = (1, 3 / (a + 3) ** 2, 1, -4 * 0.25 * 0.75 / (4 * a + 1) ** 2)
    found = sf.jit(sf.jacrev(means))(np.asarray(a, dtype))
    np.testing.assert_allclose(found, wanted, rtol=0.05)


def test_signs_are_even():
    x = random.rademacher(KEY, (10_000,))
    assert set(np.unique(x)) == {-1, 1} and abs(x.mean()) < 0.04


def test_new_keys_draw_independent_numbers():
    keys = [KEY, *random.split(KEY, 6), random.fold_in(KEY, 99), random.key(0), random.key(1)]
    x = np.stack([random.normal(key, (20_000,), "float32") for key in keys]).astype("float64")
    x = np.concatenate([x, x**2 - 1])
    off = np.corrcoef(x) - np.eye(len(x))
    assert np.abs(off).max() < 4.5 / np.sqrt(20_000)
    lagged = [np.corrcoef(x[0, lag:], x[0, :-lag])[0, 1] for lag in (1, 2, 16, 1000)]
    assert np.abs(lagged).max() < 4.5 / np.sqrt(19_000)


# --- the ends of the intervals


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32, DType.F64])
def test_one_is_never_reached(dtype):
    ones = _u32(0xFFFFFFFF, 0xFFFFFFFF if dtype is DType.F64 else 0)
    top = unit(ones, dtype)
    assert top.dtype == dtype.numpy and float(top[0]) == 1 - float(dtype.limits.eps) / 2
    assert float(unit(_u32(0, 0), dtype)[0]) == 0
    assert float(scaled(top, dtype.numpy.type(1), dtype.numpy.type(2))[0]) < 2


@pytest.mark.parametrize("dtype", [DType.F32, DType.F64])
def test_the_symmetric_interval_is_open_and_has_no_zero(dtype):
    words = [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF if dtype is DType.F64 else 0), (0x80000000, 0)]
    low, high, middle = (float(symmetric(_u32(*pair), dtype)[0]) for pair in words)
    assert low == -high and high == 1 - float(dtype.limits.eps) / 2 and middle > 0


# --- wrong arguments

MANY = random.split(KEY, 3)
WRONG = [
    (lambda: random.key(1.5), sf.DTypeError, "1.5", "int("),
    (lambda: random.key(True), sf.DTypeError, "True", "integer"),
    (lambda: random.key(np.float32(3)), sf.DTypeError, "integer", "int("),
    (lambda: random.key(2**70), sf.DTypeError, "64 bits", "2**64"),
    (lambda: random.normal(3), sf.DTypeError, "not a random key", "sf.random.key(3)"),
    (lambda: random.normal(MANY), sf.ShapeError, "(3, 2)", "vmap"),
    (lambda: random.normal(KEY.astype("int64")), sf.DTypeError, "i64", "sf.random.key"),
    (lambda: random.normal(KEY[:1]), sf.ShapeError, "(1,)", "sf.random.key"),
    (lambda: random.uniform(KEY, (2.5,)), sf.ShapeError, "2.5", "integers"),
    (lambda: random.uniform(KEY, -1), sf.ShapeError, "-1", "integers"),
    (lambda: random.uniform(KEY, (2,), "int32"), sf.DTypeError, "i32", "randint"),
    (lambda: random.uniform(KEY, (2,), None, np.zeros(3)), sf.ShapeError, "(3,)", ""),
    (lambda: random.bits(KEY, (2,), "int32"), sf.DTypeError, "unsigned", "uint32"),
    (lambda: random.randint(KEY, (2,), 5, 5), sf.ArgumentError, "from 5 up to 5", "minval"),
    (lambda: random.randint(KEY, (2,), 0, 300, "uint8"), sf.ArgumentError, "u8", "wider"),
    (lambda: random.randint(KEY, (2,), 0.5, 3), sf.DTypeError, "integers", "int()"),
    (lambda: random.bernoulli(KEY, 1.5), sf.ArgumentError, "1.5", "between 0 and 1"),
    (lambda: random.gumbel(KEY, mode="mid"), sf.ArgumentError, "mid", "high"),
    (
        lambda: random.categorical(KEY, np.zeros(3), replace=False),
        sf.UnsupportedError,
        "",
        "choice",
    ),
    (lambda: random.choice(KEY, 5, (6,), False), sf.ArgumentError, "6 of 5", "fewer"),
    (lambda: random.dirichlet(KEY, 1.0), sf.ShapeError, "one number", "each share"),
    (lambda: random.gamma(KEY, 1.0, (2,), "int32"), sf.DTypeError, "i32", "floating"),
    (
        lambda: random.multivariate_normal(KEY, np.zeros(2), np.eye(3)),
        sf.ShapeError,
        "(3, 3)",
        "(..., n, n)",
    ),
    (
        lambda: random.multivariate_normal(KEY, np.zeros(2), np.eye(2), method="lu"),
        sf.ArgumentError,
        "lu",
        "cholesky",
    ),
    (lambda: random.choice(KEY, 0), sf.ArgumentError, "nothing", ""),
    (lambda: random.choice(KEY, 3, p=np.ones(4)), sf.ShapeError, "(4,)", "(3,)"),
    (lambda: random.categorical(KEY, np.zeros((2, 3)), shape=(5,)), sf.ShapeError, "(5,)", ""),
]


@pytest.mark.parametrize(("call", "error", "what", "fix"), WRONG)
def test_wrong_arguments_are_refused_at_the_users_line(call, error, what, fix):
    with pytest.raises(error) as caught:
        call()
    assert what in caught.value.what and fix in caught.value.fix
    assert caught.value.user_frame == (__file__, call.__code__.co_firstlineno)


def test_traced_seeds_must_be_integers():
    with pytest.raises(sf.DTypeError, match="seed must be one integer") as caught:
        sf.trace(random.key, "f32[]")
    assert caught.value.user_frame[0] == __file__


@pytest.mark.peer("jax")
@pytest.mark.filterwarnings("ignore")
def test_bits_agree_with_jax_itself():
    jax = pytest.importorskip("jax")
    theirs = jax.random.wrap_key_data(KEY)
    with jax.threefry_partitionable(True):
        for shape in ((5,), (3, 4)):
            np.testing.assert_array_equal(
                jax.random.bits(theirs, shape, "uint32"), random.bits(KEY, shape)
            )
        np.testing.assert_array_equal(
            jax.random.key_data(jax.random.split(theirs, 3)), random.split(KEY, 3)
        )
        np.testing.assert_array_equal(
            jax.random.key_data(jax.random.fold_in(theirs, 7)), random.fold_in(KEY, 7)
        )
        near = jax.random.normal(theirs, (1000,), "float32")
    np.testing.assert_allclose(random.normal(KEY, (1000,), "float32"), near, atol=2e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    "draw",
    [
        lambda shape, dtype: random.uniform(KEY, shape, dtype),
        lambda shape, dtype: random.uniform(KEY, shape, dtype, -0.3, 0.7),
        lambda shape, dtype: random.normal(KEY, shape, dtype),
        lambda shape, dtype: random.truncated_normal(KEY, -2.0, 1.0, shape, dtype),
        lambda shape, _: random.bits(KEY, shape, "uint64"),
        lambda shape, _: random.bits(KEY, shape, "uint8"),
    ],
    ids=["uniform", "between", "normal", "truncated", "wide bits", "narrow bits"],
)
def test_large_draws_by_programs_have_the_bits_of_numpy(draw, dtype, monkeypatch):
    programs = []
    monkeypatch.setattr(draws, "LARGE", 6000)
    real = draws._program
    monkeypatch.setattr(draws, "_program", lambda *known: programs.append(known) or real(*known))
    found = [draw((size // 10, 10), dtype) for size in (6000, 9000, 5990)]
    assert len(programs) == 2 and programs[0] == programs[1]
    monkeypatch.setattr(draws, "LARGE", 1 << 60)
    for x in found:
        wanted = draw(x.shape, dtype)
        assert (x.dtype, x.tobytes()) == (wanted.dtype, wanted.tobytes())


def test_traced_draws_and_those_between_arrays_are_left_where_they_are(monkeypatch):
    monkeypatch.setattr(draws, "LARGE", 10)
    monkeypatch.setattr(draws, "_program", None)
    assert random.uniform(KEY, (3, 4), "float32", np.zeros((3, 1), "f"), 1.0).shape == (3, 4)
    graph = sf.trace(lambda k: random.normal(k, (30,), "float32"), KEY)
    assert graph(KEY).shape == (30,)
    with options.using(target="interpret"):
        assert random.bits(KEY, (30,)).shape == (30,)
