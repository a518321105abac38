"""Coefficients that several functions are computed with."""

from __future__ import annotations

from symfuse.runtime.dtypes import DType

__all__ = ["LOG"]

# log(1 + f) = f - f² / 2 + f³ P(f) in f32; log((1 + s) / (1 - s)) = 2 s + s z P(z), z = s², in f64:
# tools/fit_math.py log log_ratio
LOG = {
    DType.F32: (
        0.3333331346511841,
        -0.25000014901161194,
        0.20002084970474243,
        -0.1666770577430725,
        0.14219728112220764,
        -0.12410388141870499,
        0.11892762035131454,
        -0.11650853604078293,
        0.0670597180724144,
    ),
    DType.F64: (
        0.6666666666666735,
        0.39999999999409086,
        0.28571428743802857,
        0.2222219841150383,
        0.18183573536136624,
        0.15313795284612172,
        0.14798691492808505,
    ),
}
