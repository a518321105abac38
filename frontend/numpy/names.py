"""The functions whose modules are loaded when one of them is first used."""

from __future__ import annotations

from ..tracing.dispatch import HOMES

__all__ = ["FFT", "LATER", "LINALG", "UFUNC_METHODS"]

LATER: dict[str, str] = {
    "sorting": "argpartition argsort argwhere flatnonzero isin lexsort nonzero partition "
    "searchsorted sort top_k",
    "quantiles": "median nanmedian nanpercentile nanquantile percentile quantile",
    "nans": "nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum "
    "nanvar",
    "statistics": "bincount corrcoef cov digitize histogram histogram2d histogram_bin_edges "
    "histogramdd",
    "sets": "intersect1d setdiff1d setxor1d union1d unique unique_all unique_counts "
    "unique_inverse unique_values",
    "differences": "diff ediff1d gradient interp trapezoid unwrap",
    "polynomials": "poly polyadd polyder polyfit polyint polymul polysub polyval vander",
    "companions": "polydiv roots",
    "window_functions": "bartlett blackman hamming hanning i0 kaiser",
    "convolving": "convolve correlate",
    "contraction": "einsum einsum_path",
    "progressions": "geomspace logspace",
    "padding": "pad",
    "sliding": "sliding_window_view",
    "selecting": "choose compress delete diagflat extract insert piecewise resize",
    "placement": "copyto fill_diagonal place put put_along_axis putmask",
    "places": "diag_indices diag_indices_from ix_ ravel_multi_index tril_indices "
    "tril_indices_from triu_indices triu_indices_from unravel_index",
    "applying": "apply_along_axis apply_over_axes fromfunction vectorize",
    "floats": "divmod fix float_power frexp ldexp logaddexp2 modf spacing",
    "integers": "bitwise_count gcd lcm packbits unpackbits",
    "complexes": "angle conj conjugate imag iscomplex iscomplexobj isreal isrealobj real "
    "sort_complex",
    "matrices": "norm vector_norm",
    "dtypes": "can_cast common_type finfo iinfo isdtype result_type",
}
"""Of `symfuse.numpy`, by module."""

LINALG: dict[str, str] = {
    "decompositions": "cholesky eig eigh eigvals eigvalsh qr svd svdvals",
    "matrices": "matrix_norm matrix_power norm vector_norm",
    "systems": "cond det inv lstsq matrix_rank pinv slogdet solve",
    "stacks": "cross diagonal multi_dot outer tensorinv tensorsolve trace",
}
"""Of `symfuse.numpy.linalg`."""

FFT = (
    "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft "
    "rfft2 rfftfreq rfftn"
)
"""Of `symfuse.numpy.fft`."""

UFUNC_METHODS: dict[str, str] = {
    "reduce accumulate reduceat": "add multiply maximum minimum logical_and logical_or "
    "bitwise_and bitwise_or bitwise_xor logical_xor logaddexp fmax fmin gcd lcm hypot",
    "at": "add subtract multiply divide maximum minimum",
}
"""The ufuncs whose methods can be traced."""


def homes() -> dict[str, str]:
    """The module of each function, by its name and by the one that NumPy knows it under."""
    found = {name: module for module, names in LATER.items() for name in names.split()}
    for module, names in LINALG.items():
        for name in names.split():
            found[f"linalg.{name}"] = module
            found.setdefault(name, module)
    for methods, names in UFUNC_METHODS.items():
        for method in methods.split():
            found |= {f"{name}.{method}": "ufunc_methods" for name in names.split()}
    found |= {f"fft.{name}": "fft" for name in FFT.split()}
    found["masked"] = "masked"  # what x[mask] gives
    return {name: f"symfuse.numpy.{module}" for name, module in found.items()}


HOMES.update(homes())
