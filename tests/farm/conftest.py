"""Workers that are quickly there: the compiler is not needed here, and neither is JAX in most tasks."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def plain_numerics(monkeypatch):
    """Without the settings of JAX, which another test may have changed, and for which workers would import it."""
    monkeypatch.setattr("mdfit.farm.transport._numerics", dict)


@pytest.fixture
def workers(plain_numerics):
    """Two workers."""
    from mdfit.farm import local_executor

    with local_executor(2, cores=2) as executor:
        yield executor
