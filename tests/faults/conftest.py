"""One process that forks commands and one endpoint, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.bench.mix import BookedOpenAI
from tests.faults.project import endpoint
from tests.faults.zygote import Zygote


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """Everything is imported once."""
    with Zygote.started(tmp_path_factory.mktemp("zygote")) as started:
        yield started


@pytest.fixture(scope="session")
def at() -> Iterator[tuple[BookedOpenAI, str]]:
    """A server with its URL."""
    with endpoint() as started:
        yield started
