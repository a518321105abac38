"""First values of parameters under the names of Keras: functions of a key, a shape and a dtype.

>>> import symfuse as sf
>>> weights = sf.initializers.GlorotUniform()(sf.random.key(0), (784, 500))
>>> weights.shape, weights.dtype
((784, 500), dtype('float32'))
"""

from .fixed import Constant, Identity, Ones, Zeros
from .initializer import Initializer
from .known import get
from .scaled import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)
from .spread import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
]
