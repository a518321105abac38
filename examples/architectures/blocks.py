"""The blocks of LeNet, AlexNet, VGG, Inception, ResNet, MobileNet: sizes and parameters."""

import numpy as np
import optree

import symfuse as sf
import symfuse.numpy as snp
from symfuse.examples.record import Record, Subject, at_most, equal, main

F = sf.nn.functional


def conv(p, x, **options):
    return F.relu(F.conv2d(x, p["k"], **options) + p["b"])


def full(p, x):
    return x @ p["w"] + p["b"]


def kernel(rng, size, inputs, outputs):
    k = rng.normal(size=(size, size, inputs, outputs)) * np.sqrt(2 / (size * size * inputs))
    return {"k": k.astype("f"), "b": np.zeros(outputs, "f")}


def matrix(rng, inputs, outputs):
    w = rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
    return {"w": w.astype("f"), "b": np.zeros(outputs, "f")}


def lenet(p, x):
    """LeNet-5 for 32 × 32: 5 × 5 convolutions with 6 and 16 maps, then 120, 84 and 10."""
    x = F.avg_pool(F.tanh(F.conv2d(x, p[0]["k"]) + p[0]["b"]), 2)
    x = F.avg_pool(F.tanh(F.conv2d(x, p[1]["k"]) + p[1]["b"]), 2).reshape(len(x), -1)
    return full(p[4], F.tanh(full(p[3], F.tanh(full(p[2], x)))))


def alexnet_block(p, x):
    """A wide convolution with a stride, then overlapping pooling."""
    return F.max_pool(conv(p, x, strides=4, padding=2), 3, strides=2)


def vgg_block(p, x):
    """Two convolutions of 3 × 3, then pooling halves the size."""
    return F.max_pool(conv(p[1], conv(p[0], x, padding="same"), padding="same"), 2)


def inception_block(p, x):
    """Windows of 1, 3 and 5 and a pool side by side; 1 × 1 convolutions before keep it cheap."""
    return snp.concatenate(
        [
            conv(p["one"], x),
            conv(p["three"], conv(p["before three"], x), padding="same"),
            conv(p["five"], conv(p["before five"], x), padding="same"),
            conv(p["pool"], F.max_pool(x, 3, strides=1, padding="same")),
        ],
        axis=-1,
    )


def residual_block(p, x):
    """f(x) + x."""
    inner = F.conv2d(conv(p[0], x, padding="same"), p[1]["k"], padding="same") + p[1]["b"]
    return F.relu(inner + x)


def mobile_block(p, x):
    """A convolution of each channel by itself, then one of 1 × 1 across channels."""
    x = F.relu6(F.depthwise_conv(x, p["depth"], padding="same"))
    return F.relu6(F.conv2d(x, p["point"]["k"]) + p["point"]["b"])


def parameters(rng):
    k = lambda *sizes: kernel(rng, *sizes)  # noqa: E731
    return {
        "LeNet": [k(5, 1, 6), k(5, 6, 16), matrix(rng, 400, 120), matrix(rng, 120, 84),
                  matrix(rng, 84, 10)],
        "AlexNet": k(11, 3, 8),
        "VGG": [k(3, 3, 8), k(3, 8, 8)],
        "Inception": {"one": k(1, 8, 4), "before three": k(1, 8, 4), "three": k(3, 4, 6),
                      "before five": k(1, 8, 2), "five": k(5, 2, 3), "pool": k(1, 8, 3)},
        "ResNet": [k(3, 8, 8), k(3, 8, 8)],
        "MobileNet": {"depth": rng.normal(size=(3, 3, 8, 1)).astype("f") / 3, "point": k(1, 8, 16)},
    }  # fmt: skip


# block, shape of its input, shape of its output, number of parameters
BLOCKS = {
    "LeNet": (lenet, (32, 32, 1), (10,), 61706),
    "AlexNet": (alexnet_block, (63, 63, 3), (7, 7, 8), 2912),
    "VGG": (vgg_block, (16, 16, 3), (8, 8, 8), 808),
    "Inception": (inception_block, (8, 8, 8), (8, 8, 16), 492),
    "ResNet": (residual_block, (8, 8, 8), (8, 8, 8), 1168),
    "MobileNet": (mobile_block, (8, 8, 8), (8, 8, 16), 216),
}


def chain(params, x):
    """A small network of the blocks behind each other, and one number of its output."""
    x = vgg_block(params["VGG"], x)
    x = mobile_block(params["MobileNet"], residual_block(params["ResNet"], x))
    return snp.sum(F.global_avg_pool(inception_block(params["Inception"], x[..., :8])) ** 2)


def run(quick=False):
    rng = np.random.default_rng(0)
    params = parameters(rng)
    shapes, counts = 0, 0
    for name, (block, inputs, outputs, count) in BLOCKS.items():
        specs = optree.tree_map(lambda a: sf.spec(a.shape, a.dtype), params[name])
        shapes += sf.eval_shape(block, specs, sf.spec((2, *inputs), "float32")).shape[1:] == outputs
        counts += sum(leaf.size for leaf in optree.tree_leaves(params[name])) == count
    mobile, plain = BLOCKS["MobileNet"][3], 3 * 3 * 8 * 16 + 16
    x = rng.normal(size=(1, 8, 8, 3)).astype("f")
    chosen = {name: params[name] for name in ("VGG", "MobileNet", "ResNet", "Inception")}
    return Record(
        (
            equal("shapes of outputs that are right, of 6", shapes, 6),
            equal("numbers of parameters that are right, of 6", counts, 6),
            at_most("MobileNet: parameters ÷ those of a convolution", mobile / plain, 0.2),
        ),
        Subject(chain, (chosen, x), wrt=(0, 1)),
    )


if __name__ == "__main__":
    main(run)
