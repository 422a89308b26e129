"""Texts that a person reads, compared with what they were: SDSPEC_UPDATE_GOLDENS=1 writes them anew, to be reviewed."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, text: str) -> None:
    """The text is that of tests/golden/<name>."""
    path = FOLDER / name
    if os.environ.get("SDSPEC_UPDATE_GOLDENS"):
        path.write_text(text)
    assert path.read_text() == text
