"""What the catalogue holds: its sections, the systems of each, and the example of each system."""

from __future__ import annotations

import importlib
from typing import Any

from msgspec import Struct

__all__ = ["ROWS", "SECTIONS", "Row", "example", "find"]

SECTIONS = {
    "calculus": "Graphs and calculus",
    "linear": "Linear models",
    "networks": "Multilayer networks and their parts",
    "architectures": "Architectures",
    "practice": "The way people work",
}


class Row(Struct, frozen=True):
    """One system, and the module of its example below `symfuse.examples`.

    `needs` is the package without which the example cannot run, where it is an extra.
    """

    system: str
    module: str
    needs: str = ""

    @property
    def section(self) -> str:
        """The name of its section."""
        return self.module.partition(".")[0]

    @property
    def name(self) -> str:
        """The name of the example."""
        return self.module.partition(".")[2]


ROWS = (
    Row("Explicit graph building", "calculus.explicit_graphs"),
    Row("Implicit building through tracing", "calculus.tracing"),
    Row("Decomposition into primitive operations", "calculus.decomposition"),
    Row("z = ‖Xw − y‖²", "calculus.least_squares"),
    Row("Forward accumulation and reverse accumulation", "calculus.accumulation"),
    Row("Symbolic differentiation", "calculus.symbolic"),
    Row("Numerical differentiation", "calculus.numerical"),
    Row("Scalar derivative table", "calculus.scalar_rules"),
    Row("Subderivatives", "calculus.subderivatives"),
    Row("Vector and matrix derivative table", "calculus.matrix_rules"),
    Row("N-dimensional arrays", "calculus.arrays"),
    Row("Norms and special matrices", "calculus.norms"),
    Row("Perceptron", "linear.perceptron"),
    Row("Linear regression", "linear.regression"),
    Row("Logistic regression", "linear.logistic_regression"),
    Row("Softmax regression", "linear.softmax_regression"),
    Row("MLP", "networks.mlp"),
    Row("Activations", "networks.activations"),
    Row("Losses", "networks.losses"),
    Row("Backpropagation by modules", "networks.modules"),
    Row("Training loop", "networks.training_loop"),
    Row("Optimisers", "networks.optimisers"),
    Row("Learning-rate schedules", "networks.schedules"),
    Row("Initialisation", "networks.initialisation"),
    Row("Regularisation", "networks.regularisation"),
    Row("Batch normalisation", "networks.batch_norm"),
    Row("Vanishing and exploding gradients", "networks.vanishing_gradients"),
    Row("CNN", "architectures.cnn"),
    Row("LeNet, AlexNet, VGG, Inception, ResNet, MobileNet blocks", "architectures.blocks"),
    Row("Feature visualisation", "architectures.feature_visualisation"),
    Row("RNN", "architectures.rnn"),
    Row("LSTM, GRU", "architectures.lstm"),
    Row("GCN", "architectures.gcn"),
    Row("Attention and transformer block", "architectures.transformer"),
    Row("Auto-encoders", "architectures.autoencoder"),
    Row("Variational auto-encoder", "architectures.vae"),
    Row("GAN", "architectures.gan"),
    Row("Restricted Boltzmann machine, deep belief network", "architectures.boltzmann"),
    Row("Object detection parts", "architectures.detection"),
    Row("Neural style transfer, image-to-image", "architectures.style"),
    Row("Normalising flow", "architectures.flow"),
    Row("Point-cloud network", "architectures.point_cloud"),
    Row("Sequence-to-sequence with attention", "architectures.seq2seq"),
    Row("Keras-style training", "practice.keras_style"),
    Row("Interactive playground", "practice.playground"),
    Row("Notebooks", "practice.notebooks"),
    Row("Parallel SGD", "practice.parallel_sgd", needs="mpi4py"),
)


def example(row: Row) -> Any:
    """The module of a row; its `run(quick)` gives a `Record`."""
    return importlib.import_module(f"symfuse.examples.{row.module}")


def find(wanted: str) -> list[Row]:
    """The rows of a name, a module, a section, or of `all`; none where nothing is called so."""
    return [row for row in ROWS if wanted in ("all", row.name, row.module, row.section)]
