"""Object detection: anchors, IoU, non-maximum suppression, RoI pooling and alignment, two heads."""

import numpy as np

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.pictures import png
from symfuse.examples.record import Record, Subject, at_least, equal, main, near
from symfuse.examples.training import dense, train

F, SIZE, CLASSES = sf.nn.functional, 16, 3


def anchors(cells, stride, sizes):
    """Boxes (y0, x0, y1, x1) of every size around the middle of every cell."""
    middle = stride * (np.arange(cells) + 0.5)
    y, x, half = np.meshgrid(middle, middle, np.array(sizes) / 2, indexing="ij")
    return np.stack([y - half, x - half, y + half, x + half], -1).reshape(-1, 4).astype("f")


def area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a, b):
    """Intersection over union of each box of a [n, 4] with each of b [m, 4]."""
    a, b = a[:, None], b[None]
    low, high = snp.maximum(a[..., :2], b[..., :2]), snp.minimum(a[..., 2:], b[..., 2:])
    common = snp.prod(snp.maximum(high - low, 0.0), axis=-1)
    return common / (area(a) + area(b) - common)


def suppressed(boxes, scores, threshold=0.5):
    """Which boxes stay when each, from the best on, removes those that overlap with it."""
    order = snp.argsort(-scores)
    overlap = iou(boxes[order], boxes[order]) > threshold

    def turn(at, kept):
        better = snp.where(snp.arange(len(scores)) < at, kept & overlap[at], False)
        return kept.at[at].set(~snp.any(better))

    kept = sf.fori_loop(0, scores.shape[0], turn, snp.ones(scores.shape, dtype="bool"))
    return snp.zeros(scores.shape, dtype="bool").at[order].set(kept)


def roi_align(features, box, size):
    """size × size values of features [h, w, c] in a box, each read between four pixels."""
    step = (snp.arange(size) + 0.5) / size
    y = box[0] + step * (box[2] - box[0]) - 0.5
    x = box[1] + step * (box[3] - box[1]) - 0.5
    weights = between(y, features.shape[0]), between(x, features.shape[1])
    return snp.einsum("ih,jw,hwc->ijc", *weights, features)


def between(places, count):
    """The weights [places, count] of the two pixels next to each place."""
    places = snp.clip(places, 0.0, count - 1.0)
    return snp.maximum(1 - snp.abs(places[:, None] - snp.arange(count)), 0.0)


def roi_pool(features, box, size):
    """The greatest value in each of size × size parts of a box of whole pixels."""
    top, left, bottom, right = box
    part = features[top:bottom, left:right]
    rows, columns = part.shape[0] // size, part.shape[1] // size
    cut = part[: rows * size, : columns * size].reshape(size, rows, size, columns, -1)
    return snp.max(cut, axis=(1, 3))


ANCHORS = anchors(4, SIZE / 4, (6, 8))
SCALE = np.array([4.0, 4.0, 4.0, 4.0], "f")


def first_parameters(width=12):
    keys = sf.random.split(sf.random.key(0), 5)
    he = sf.initializers.HeNormal()
    return {"k1": he(keys[0], (3, 3, 1, width)), "k2": he(keys[1], (3, 3, width, 2 * width)),
            "k3": he(keys[2], (3, 3, 2 * width, 2 * width)),
            "class": dense(keys[3], 2 * width, 2 * (CLASSES + 1)),
            "box": dense(keys[4], 2 * width, 2 * 4)}  # fmt: skip


def heads(p, x):
    """For each anchor: scores of the classes and of nothing, and how the box differs from it."""
    x = F.relu(F.conv2d(x, p["k1"], padding="same"))
    x = F.relu(F.conv2d(F.max_pool(x, 2), p["k2"], padding="same"))
    x = F.relu(F.conv2d(F.max_pool(x, 2), p["k3"], padding="same"))
    classes = x @ p["class"]["w"] + p["class"]["b"]
    boxes = x @ p["box"]["w"] + p["box"]["b"]
    return classes.reshape(len(x), -1, CLASSES + 1), boxes.reshape(len(x), -1, 4)


def targets(kinds, boxes):
    """The class of each anchor, with that of nothing where it hits no box, and its offsets."""
    overlap = iou(boxes, ANCHORS)
    best = overlap == overlap.max(1, keepdims=True)
    labels = np.where((overlap > 0.45) | best, kinds[:, None], CLASSES)
    return labels, ((boxes[:, None] - ANCHORS) / SCALE).astype("f")


def loss(p, x, y):
    """Cross-entropy of the classes, and Huber's loss of boxes where there is one."""
    labels, offsets = y
    scores, found = heads(p, x)
    hits = snp.where(labels < CLASSES, 1.0, 0.0)
    entropy = sf.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True)
    return snp.mean(entropy * (1 + 3 * hits)) + snp.sum(
        hits * sf.losses.huber(offsets, found)
    ) / snp.sum(hits)


def best(p, x):
    """The surest box of each picture, and its class."""
    scores, offsets = heads(p, x)
    chances = F.softmax(scores, axis=-1)[..., :CLASSES]
    sure, at = snp.max(chances, axis=-1), snp.argmax(snp.max(chances, axis=-1), axis=-1)
    rows = snp.arange(len(x))
    return (ANCHORS + offsets * SCALE)[rows, at], snp.argmax(chances[rows, at], axis=-1), sure


def framed(pictures, boxes):
    """Pictures side by side, with boxes."""
    sheets = []
    for picture, box in zip(pictures[..., 0], boxes, strict=True):
        large = np.kron(np.clip(200 * picture, 0, 255), np.ones((5, 5))).astype(np.uint8)
        coloured = np.stack([large] * 3, -1)
        y0, x0, y1, x1 = np.clip(5 * box, 0, 5 * SIZE - 1).astype(int)
        coloured[[y0, y1], x0 : x1 + 1] = coloured[y0 : y1 + 1, [x0, x1]] = (232, 115, 12)
        sheets.append(np.pad(coloured, ((1, 1), (1, 1), (0, 0)), constant_values=90))
    return png(np.concatenate(sheets, 1))


def run(quick=False):
    x, kinds, boxes = sf.datasets.shapes(600 if quick else 2000, SIZE)
    x_test, kinds_test, boxes_test = sf.datasets.shapes(200, SIZE, seed=1)
    data = sf.data.Dataset(x, targets(kinds, boxes), batch_size=50, shuffle=True)
    p, _ = train(
        loss, first_parameters(8 if quick else 12), sf.optim.Adam(5e-3), data, 10 if quick else 20
    )
    found, classes, _ = sf.jit(best)(p, x_test)
    overlap = np.diag(iou(found, boxes_test))
    three = np.array([[0, 0, 4, 4], [0, 0, 4, 5], [4, 4, 8, 8.0]])
    kept = sf.jit(suppressed)(three, np.array([0.8, 0.9, 0.3]))
    ramp = np.arange(64.0).reshape(8, 8, 1)
    aligned = roi_align(ramp, np.array([1.0, 2.0, 5.0, 6.0]), 4)[..., 0]
    pooled = sf.jit(lambda f: roi_pool(f, (0, 0, 4, 8), 2))(ramp)[..., 0]
    return Record(
        (
            near("IoU of [0,0,4,4] with three boxes", iou(three[:1], three)[0], [1, 0.8, 0], 1e-12),
            near("suppression keeps", kept.astype(int), [0, 1, 1], 0),
            near("RoI Align on a ramp", aligned, ramp[1:5, 2:6, 0], 1e-12),
            near("RoI pooling", pooled, [[11, 15], [27, 31]], 0),
            equal("anchors", len(ANCHORS), 32),
            at_least("mean IoU on new pictures", overlap.mean(), 0.5 if quick else 0.8),
            at_least(
                "accuracy of the class", np.mean(classes == kinds_test), 0.5 if quick else 0.95
            ),
        ),
        Subject(loss, (first_parameters(2), x[:2], targets(kinds[:2], boxes[:2]))),
        framed(x_test[:6], found[:6]),
    )


if __name__ == "__main__":
    main(run)
