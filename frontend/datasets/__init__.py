"""Data sets by name: bundled with other packages, from files that the user has, or generated.

Nothing is fetched from a network.
"""

from .bundled import Club, breast_cancer, diabetes, digits, iris, karate_club
from .files import cifar10, citations, fashion_mnist, mnist
from .generated import blobs, circles, moons, sentences, shapes, spirals, xor

__all__ = [
    "Club",
    "blobs",
    "breast_cancer",
    "cifar10",
    "circles",
    "citations",
    "diabetes",
    "digits",
    "fashion_mnist",
    "iris",
    "karate_club",
    "mnist",
    "moons",
    "sentences",
    "shapes",
    "spirals",
    "xor",
]
