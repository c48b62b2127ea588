"""What every test may ask for."""

import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """The one source of randomness, seeded by the test's name: the same draws alone and in the suite."""
    # crc32, because hash() of a string differs from process to process.
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
