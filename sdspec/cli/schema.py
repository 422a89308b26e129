"""`sdspec schema`: the JSON Schema of a spec file, which an editor completes and checks specs with."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdspec import api
from sdspec.schema.document import schema_text
from sdspec.store.disk import saying, write_whole


def main(args: argparse.Namespace) -> int:
    """The schema on stdout, or in a file whose folder is made."""
    text = schema_text(api.schema())
    if args.output is None:
        sys.stdout.write(text)
        return 0
    path = Path(args.output)
    with saying("make", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    print(path)
    return 0
