"""`sdspec export`: writes a run's rows again; it calls no model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sdspec import api


def main(args: argparse.Namespace) -> int:
    """The files written, one on a line."""
    run = api.open_run(args.run, Path(args.outputs))
    for path in api.export(run, args.words):
        print(os.path.relpath(path))
    return 0
