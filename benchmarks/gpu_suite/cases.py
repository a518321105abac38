"""The cases: the same shapes, types and precisions for every contender."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

__all__ = ["ITEMSIZE", "Case", "cases", "checks"]

Shape = tuple[int, ...]

ITEMSIZE = {"f32": 4, "f16": 2, "bf16": 2}
MLP, TINY_MLP = (784, 500, 500, 10), (12, 16, 16, 10)
# layers, width, heads, tokens, words, batch
TRANSFORMER, TINY_TRANSFORMER = (4, 512, 8, 256, 8192, 16), (1, 8, 2, 6, 11, 2)


@dataclass(frozen=True, slots=True)
class Case:
    """One function on arrays of these shapes.

    `moved` counts the elements that have to be read and written, each once. `part` tells which
    piece of the result can be computed from a piece of the arguments: the first `rows`, `columns`
    or `heads`; of small cases `all` is compared. `graph` asks for many runs in one captured graph.
    """

    section: str
    work: str
    label: str
    shapes: tuple[Shape, ...]
    dtype: str = "f32"
    precision: str = "full"
    moved: int = 0
    flops: int = 0
    part: str = "all"
    graph: bool = False
    generated: bool = False

    @property
    def name(self) -> str:
        """What the case is called in results."""
        extra = (" tf32" if self.precision == "tf32" else "") + (" own" if self.generated else "")
        return f"{self.section}: {self.work} {self.dtype} {self.label}{extra}"

    @property
    def nbytes(self) -> int:
        """The least bytes to move."""
        return self.moved * ITEMSIZE[self.dtype]


def cases(tiny: bool) -> list[Case]:
    """Everything that is timed, in the order in which it is."""
    every = _every(tiny)
    assert len({case.name for case in every}) == len(every)
    return every


def _every(tiny: bool) -> list[Case]:
    return [
        *_elementwise(tiny),
        *_small(tiny),
        *_products(tiny),
        *_layers(tiny),
        *_training(tiny),
        *_attention(tiny),
        *_convolutions(tiny),
        *_rows(tiny),
        *_transposes(tiny),
        *_generated(tiny),
        *_scans(tiny),
    ]


def _elementwise(tiny: bool) -> list[Case]:
    shape = (9, 130) if tiny else (65536, 4096)
    wide = [replace(_gelu("elementwise", shape, d), part="rows") for d in ("f32", "f16", "bf16")]
    return wide[:1] if tiny else wide


def _small(tiny: bool) -> list[Case]:
    sizes = ((4, 33),) if tiny else ((16, 1024), (128, 1024), (1024, 1024), (8192, 1024))
    return [replace(_gelu("small", shape, "f32"), graph=True) for shape in sizes]


def _gelu(section: str, shape: Shape, dtype: str) -> Case:
    moved = 2 * prod(shape) + 2 * shape[1]
    return Case(
        section, "gelu(x·s+b)", _by(shape), (shape, shape[1:], shape[1:]), dtype, moved=moved
    )


def _rows(tiny: bool) -> list[Case]:
    if tiny:
        return [
            _row("softmax", 5, 70),
            _row("layer norm", 5, 70),
            _fold("sum", 5, 70),
            _fold("column sum", 70, 9),
        ]
    total = 1 << 27  # half a GiB of float32, ten times what caches hold
    lengths = (256, 1024, 4096, 16384, 32768)
    halves = ((1024, "bf16"), (8192, "bf16"), (32768, "bf16"), (4096, "f16"))
    return [
        *(_row("softmax", total // n, n) for n in lengths),
        *(_row("softmax", total // n, n, dtype) for n, dtype in halves),
        *(_row("layer norm", total // n, n) for n in lengths),
        *(_row("layer norm", total // n, n, dtype) for n, dtype in halves[:3]),
        *(_fold("row sum", total // n, n) for n in (256, 4096, 32768)),
        *(_fold("sum", total // n, n) for n in (4096,)),
        *(_fold("column sum", total // n, n) for n in (64, 1024, 32768)),
        _fold("sum", total // 4096, 4096, "bf16"),
        _fold("column sum", total // 1024, 1024, "bf16"),
    ]


def _row(work: str, rows: int, columns: int, dtype: str = "f32") -> Case:
    shapes: tuple[Shape, ...] = ((rows, columns),)
    if work == "layer norm":
        shapes += ((columns,), (columns,))
    moved = 2 * rows * columns
    return Case("rows", work, _by(shapes[0]), shapes, dtype, moved=moved, part="rows")


def _fold(work: str, rows: int, columns: int, dtype: str = "f32") -> Case:
    part = {"row sum": "rows", "column sum": "columns", "sum": "all"}[work]
    shape = (rows, columns)
    return Case("sums", work, _by(shape), (shape,), dtype, moved=rows * columns, part=part)


def _transposes(tiny: bool) -> list[Case]:
    side = 33 if tiny else 16384
    shape, moved = (side, side + 2 if tiny else side), 2 * side * side
    every = [
        Case("transpose", "transpose", _by(shape), (shape,), dtype, moved=moved, part="columns")
        for dtype in ("f32", "bf16")
    ]
    return every[:1] if tiny else every


def _products(tiny: bool) -> list[Case]:
    if tiny:
        return [_product(33, 20, 40), _product(16, 20, 40, work="product nt")]
    sides = (8192, 4096, 2048, 1024, 512)
    return [
        *(_product(n, n, n, "bf16") for n in sides),
        _product(4096, 4096, 4096, "f16"),
        *(_product(n, n, n) for n in (4096, 1024)),
        *(_product(n, n, n, precision="tf32") for n in (4096, 1024)),
        _product(128, 8192, 8192, "bf16"),
        _product(16, 8192, 8192, "bf16"),
        _product(4096, 4096, 4096, "bf16", work="product nt"),
        _product(4096, 4096, 4096, "bf16", work="product tn"),
        Case(
            *("products", "batched product", "64x1024x1024x1024"),
            *(((64, 1024, 1024),) * 2, "bf16"),
            moved=3 * 64 << 20,
            flops=2 * 64 << 30,
            part="heads",
        ),
    ]


def _product(
    rows: int,
    inner: int,
    columns: int,
    dtype: str = "f32",
    precision: str = "full",
    work: str = "product",
) -> Case:
    left = (inner, rows) if work == "product tn" else (rows, inner)
    right = (columns, inner) if work == "product nt" else (inner, columns)
    return Case(
        *("products", work, f"{rows}x{inner}x{columns}", (left, right), dtype, precision),
        moved=rows * inner + inner * columns + rows * columns,
        flops=2 * rows * inner * columns,
        part="columns" if work == "product tn" else "rows",
    )


def _layers(tiny: bool) -> list[Case]:
    rows, inner, columns = (128, 128, 128) if tiny else (8192, 4096, 4096)
    dtype = "f32" if tiny else "bf16"
    shapes = ((rows, inner), (inner, columns), (columns,))
    made = _product(rows, inner, columns, dtype)
    works = ("x·w+b",) if tiny else ("x·w+b", "relu(x·w+b)", "gelu(x·w+b)", "residual")
    layers = [replace(made, section="layers", work=work, shapes=shapes) for work in works]
    if not tiny:
        layers[-1] = replace(layers[-1], shapes=(*shapes[:2], (rows, columns)))
    return layers


def _attention(tiny: bool) -> list[Case]:
    if tiny:
        return [_heads(2, 40, 16, "f32")]
    return [
        _heads(64, 2048, 128, "bf16"),
        _heads(64, 2048, 128, "bf16", "causal attention"),
        _heads(16, 8192, 128, "bf16"),
        _heads(64, 4096, 64, "bf16"),
        _heads(64, 2048, 64, "f32"),
    ]


def _heads(heads: int, tokens: int, width: int, dtype: str, work: str = "attention") -> Case:
    shape = (heads, tokens, width)
    flops = 4 * heads * tokens * tokens * width // (2 if work != "attention" else 1)
    moved = 4 * prod(shape)
    return Case(
        *("attention", work, _by(shape), (shape,) * 3, dtype),
        moved=moved,
        flops=flops,
        part="heads",
    )


def _convolutions(tiny: bool) -> list[Case]:
    """Those of a residual network: each as large as the next, with more channels on less space."""
    if tiny:
        return [_images(2, 8, 16, 3, "f32")]
    return [
        _images(64, 56, 64, 3, "bf16"),
        _images(64, 28, 128, 3, "bf16"),
        _images(64, 14, 256, 3, "bf16"),
        replace(_images(64, 28, 128, 3, "bf16"), work="relu(x*k+b)", shapes=_layer(64, 28, 128)),
        _images(64, 28, 128, 3, "f32"),
        replace(_images(64, 28, 128, 3, "f32"), precision="tf32"),
    ]


def _layer(batch: int, size: int, channels: int) -> tuple[Shape, ...]:
    return ((batch, size, size, channels), (3, 3, channels, channels), (channels,))


def _images(batch: int, size: int, channels: int, places: int, dtype: str) -> Case:
    image, kernel = (batch, size, size, channels), (places, places, channels, channels)
    return Case(
        *("convolution", "convolution", f"{_by(image)} {places}x{places}", (image, kernel), dtype),
        moved=2 * prod(image) + prod(kernel),
        flops=2 * prod(image) * places**2 * channels,
        part="rows",
    )


def _training(tiny: bool) -> list[Case]:
    mlp = TINY_MLP if tiny else MLP
    batch = 5 if tiny else 128
    layers, width, heads, tokens, words, sentences = TINY_TRANSFORMER if tiny else TRANSFORMER
    weights = sum(a * b for a, b in pairwise(mlp))
    inside = layers * 12 * width**2 + words * width
    pairs = layers * 2 * tokens * width
    steps = [
        Case(
            *("training", work, f"{'-'.join(map(str, mlp))}, batch {batch}", (mlp, (batch,))),
            flops=6 * batch * weights,
        )
        for work in ("MLP SGD", "MLP Adam")
    ]
    transformer = Case(
        *("training", "transformer Adam", f"{layers}x{width}, {sentences}x{tokens}"),
        ((layers, width, heads, tokens, words, sentences),),
        flops=6 * sentences * tokens * (inside + pairs),
    )
    return (
        [*steps[:1], transformer]
        if tiny
        else [
            *steps,
            transformer,
            replace(transformer, precision="tf32"),
        ]
    )


def _scans(tiny: bool) -> list[Case]:
    shape = (3, 200) if tiny else (4096, 16384)
    states = ((5, 3, 16),) if tiny else ((32, 64, 1024), (512, 64, 1024))
    return [
        Case("scan", "cumsum", _by(shape), (shape,), moved=2 * prod(shape), part="rows"),
        Case("scan", "recurrence", _by(shape), (shape, shape), moved=3 * prod(shape), part="rows"),
        *map(_lstm, states),
    ]


def _lstm(shape: Shape) -> Case:
    steps, batch, hidden = shape
    weights = ((hidden, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,))
    flops = 16 * steps * batch * hidden * hidden
    return Case("scan", "LSTM", _by(shape), (shape, *weights), flops=flops)


def _generated(tiny: bool) -> list[Case]:
    """Products that symfuse's own kernels compute, the library put aside."""
    if tiny:
        return [replace(_product(33, 20, 40), generated=True)]
    chosen = [_product(n, n, n, d) for n in (4096, 1024) for d in ("bf16", "f32")]
    return [replace(case, generated=True) for case in (*chosen, _product(16, 8192, 8192, "bf16"))]


def checks(tiny: bool) -> list[Case]:
    """Every work at sizes that divide by nothing, all of whose results are compared."""
    odd = {
        "gelu(x·s+b)": (((7, 129), (129,), (129,)), ((1, 1), (1,), (1,))),
        "softmax": (((5, 257),), ((3, 1025),), ((3, 9001),), ((2, 33001),)),
        "layer norm": (((5, 257), (257,), (257,)), ((3, 4099), (4099,), (4099,))),
        "row sum": (((9, 1003),), ((1, 70001),)),
        "column sum": (((1003, 9),), ((70001, 3),), ((101, 333),)),
        "sum": (((313, 331),), ((1, 1),)),
        "transpose": (((133, 217),),),
        "product": (((67, 45), (45, 91)), ((131, 1), (1, 7)), ((3, 513), (513, 5))),
        "product nt": (((67, 45), (91, 45)),),
        "product tn": (((45, 67), (45, 91)),),
        "batched product": (((3, 35, 45), (3, 45, 33)),),
        "gelu(x·w+b)": (((67, 45), (45, 91), (91,)),),
        "residual": (((67, 45), (45, 91), (67, 91)),),
        "attention": (((3, 77, 40),) * 3,),
        "causal attention": (((3, 77, 64),) * 3,),
        "convolution": (((2, 9, 11, 5), (3, 3, 5, 7)), ((3, 16, 16, 32), (3, 3, 32, 48))),
        "relu(x*k+b)": (((2, 9, 11, 8), (3, 3, 8, 16), (16,)),),
        "cumsum": (((3, 5003),), ((2, 70001),)),
    }
    some = ("gelu(x·s+b)", "softmax", "sum", "product", "attention", "convolution")
    halves = {"f32": odd, "bf16": odd, "f16": {work: odd[work] for work in some}}
    if tiny:
        halves = {
            "f32": {},
            "bf16": {"softmax": (((3, 70),),)},
            "f16": {"product": odd["product"][:1]},
        }
    return [
        Case("check", work, " ".join(map(_by, shapes)), shapes, dtype)
        for dtype, works in halves.items()
        for work, every in works.items()
        for shapes in every
    ]


def _by(shape: Shape) -> str:
    return "x".join(map(str, shape))
