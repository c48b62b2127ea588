"""docs/numpy-coverage.md is what ``make coverage`` writes, and nothing that we promise is missing from it."""

import pytest

from tests.coverage_table import DIFFERENTIABLE, PAGE, ZERO, page, read, tables

PROMISED = {
    "numpy": """
        abs absolute fabs arccos arccosh add angle arcsin arcsinh arctan arctan2 arctanh cbrt clip conj conjugate
        copysign cos cosh deg2rad radians rad2deg degrees divide true_divide divmod exp exp2 expm1 float_power fmax
        fmin fmod frexp hypot i0 imag ldexp log log10 log1p log2 logaddexp logaddexp2 maximum minimum mod remainder
        modf multiply nan_to_num negative positive pow power real reciprocal real_if_close sin sinc sinh sqrt square
        subtract tan tanh unwrap where acos acosh asin asinh atan atan2 atanh

        max min average mean median nanmax nanmean nanmedian nanmin nanpercentile nanprod nanquantile nanstd nansum
        nanvar percentile prod ptp quantile std sum var trace trapezoid cumprod cumsum cumulative_prod cumulative_sum
        nancumprod nancumsum diff ediff1d gradient amax amin

        convolve correlate corrcoef cov cross dot einsum inner kron matmul matvec outer tensordot vdot vecdot vecmat

        append array asarray astype array_split atleast_1d atleast_2d atleast_3d block broadcast_arrays broadcast_to
        column_stack concatenate concat copy delete diag diagflat diagonal dsplit dstack expand_dims fill_diagonal flip
        fliplr flipud full full_like hsplit hstack insert matrix_transpose meshgrid moveaxis pad transpose permute_dims
        ravel repeat reshape resize roll rollaxis rot90 split squeeze stack swapaxes tile tril triu unstack vander
        vsplit vstack trim_zeros copyto putmask

        choose compress extract interp partition piecewise place put put_along_axis select sort sort_complex take
        take_along_axis unique unique_all unique_counts unique_inverse unique_values union1d intersect1d setdiff1d
        setxor1d bincount histogram histogram2d histogramdd histogram_bin_edges

        poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots linspace logspace geomspace
        fromfunction vectorize apply_along_axis apply_over_axes
    """,
    "numpy.linalg": """
        cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm matrix_power
        matrix_transpose multi_dot norm outer pinv qr slogdet solve svd svdvals tensordot tensorinv tensorsolve trace
        vecdot vector_norm
    """,
    "numpy.fft": """
        fft fft2 fftn ifft ifft2 ifftn rfft rfft2 rfftn irfft irfft2 irfftn hfft ihfft fftshift ifftshift
    """,
}
"""Of NumPy: elementwise; reductions, scans; products; shape; select, index, order; polynomials, grids, functional."""

FLAT = {
    "numpy": """
        floor ceil rint fix trunc floor_divide isnan isfinite isinf isclose allclose array_equal equal not_equal
        less less_equal greater greater_equal logical_and logical_or logical_not logical_xor signbit argmax argmin
        argsort argpartition nanargmax nanargmin nonzero flatnonzero argwhere count_nonzero searchsorted digitize any
        all isreal iscomplex isin lexsort packbits unpackbits
    """
}
"""Their derivative is zero."""

CALLED_ON_PLAIN_VALUES = {"fromfunction"}
"""Takes a function and a shape: what the function closes over may be traced, and is differentiated."""

OFFERED = {
    "autotrace.scipy.special": """
        gammaln gamma digamma polygamma erf erfc erfinv erfcinv beta betaln betainc gammainc gammaincc expit logit
        logsumexp softmax log_softmax xlogy xlog1py entr rel_entr kl_div i0 i0e i1 i1e j0 j1 jn y0 y1 ndtr ndtri
        log_ndtr multigammaln zeta
    """,
    "autotrace.scipy.linalg": """
        solve solve_triangular cho_factor cho_solve lu expm sqrtm logm block_diag toeplitz
    """,
    "autotrace.scipy.stats": "norm multivariate_normal t gamma beta chi2 poisson dirichlet",
    "autotrace.scipy.signal": "convolve",
}


@pytest.fixture(scope="module")
def generated():
    return tables()


@pytest.fixture(scope="module")
def committed():
    return {table.title: table for table in read(PAGE.read_text(encoding="utf-8"))}


def test_the_page_is_what_the_generator_writes(generated, committed):
    """Word for word for the versions that the page was made with; for others, the statuses of common names."""
    for table in generated:
        written = committed[table.title]
        if written.version == table.version:
            assert written.rows == table.rows, f"{table.title}: run make coverage"
            continue
        common = written.rows.keys() & table.rows.keys()
        assert len(common) > 0.9 * len(table.rows)
        for name in common:
            assert written.rows[name].status == table.rows[name].status, name


def test_the_whole_page_is_read_back(generated):
    assert [(t.title, t.version, t.rows) for t in read(page(generated))] == list(generated)


@pytest.mark.parametrize("module", PROMISED)
def test_everything_promised_is_differentiable(generated, module):
    rows = {table.title: table.rows for table in generated}[module]
    names = {n for n in PROMISED[module].split() if n in rows or not _lacks(module, n)} - CALLED_ON_PLAIN_VALUES
    wrong = {n: rows[n].status for n in names if not _is_differentiable(rows[n])}
    assert not wrong


def _lacks(module, name):
    """Whether this version of NumPy is too old for the name."""
    return module == "numpy" and name in {"cumulative_prod", "cumulative_sum", "unstack", "matvec", "vecmat"}


def _is_differentiable(row):
    return row.status == DIFFERENTIABLE or (row.status == "made" and "case" in row.says)


def test_piecewise_constant_functions_have_derivative_zero(generated):
    rows = {table.title: table.rows for table in generated}["numpy"]
    wrong = {n: rows[n].status for n in FLAT["numpy"].split() if rows[n].status != ZERO}
    assert not wrong


@pytest.mark.parametrize("module", OFFERED)
def test_scipys_parts_are_differentiable(generated, module):
    pytest.importorskip("scipy", reason="SciPy is an optional partner: pip install 'autotrace-ad[interop]'")
    rows = {table.title: table.rows for table in generated}[module]
    missing = {n for n in OFFERED[module].split() if n not in rows or rows[n].status != DIFFERENTIABLE}
    assert not missing


def test_nothing_is_without_a_case_that_claims_laws(generated):
    assert not [r.name for t in generated for r in t.rows.values() if r.says.startswith("0 cases")]
