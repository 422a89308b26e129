"""`sdspec new`: a spec file to start from."""

from __future__ import annotations

import argparse
import os

from sdspec import api
from sdspec.starter import commands


def main(args: argparse.Namespace) -> int:
    """What was written, and what to do next."""
    spec, schema = (os.path.relpath(path) for path in api.new(args.name, args.template))
    print(f"{spec}: edit it; completion and red lines in an editor come from {schema}.")
    print("\nnext:")
    for command in commands(args.name):
        print(f"  {command}")
    return 0
