"""A bench on the bundled model, with statistics of a few clips."""

import pytest

from esn_interp.playground.bench import Bench
from esn_interp.playground.opening import open_bench


@pytest.fixture(scope="session")
def bench() -> Bench:
    return open_bench(limit=40, progress=False)
