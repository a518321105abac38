"""Data: readers of public file formats, and data sets in batches.

Readers check magic numbers, sizes and ends, and raise `DataError` with the file, the place, what
was expected there and what was found. A `Dataset` is what a training loop takes batches from.
"""

from .augment import crop, flip, noise
from .cifar import read_cifar
from .dataset import Dataset
from .graphs import gcn_norm
from .idx import read_idx, write_idx
from .planetoid import Citations, read_planetoid
from .tables import Table, read_csv

__all__ = [
    "Citations",
    "Dataset",
    "Table",
    "crop",
    "flip",
    "gcn_norm",
    "noise",
    "read_cifar",
    "read_csv",
    "read_idx",
    "read_planetoid",
    "write_idx",
]
