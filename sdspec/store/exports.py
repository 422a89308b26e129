"""What an export folder holds, in its `.exports.json`: a dataset card lists it, and a catalog can."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from sdspec.errors import StoreError
from sdspec.store.disk import alone, saying, write_whole
from sdspec.store.schema import holds_json

RECORD = ".exports.json"


@dataclass(frozen=True, slots=True)
class Written:
    """One exported dataset as it was written."""

    name: str
    """Of the export in the spec."""
    path: str
    """The file or folder, inside the export folder."""
    run: str
    """Id of the run whose rows it holds."""
    rows: int
    format: str
    packer: Mapping[str, Any]
    """Its `kind` and the keys that were set."""
    features: tuple[Mapping[str, Any], ...]
    """The columns as `features` gives them, as a reader finds them."""
    example: Mapping[str, Any]
    """The first row."""
    loader: str
    """The loader of `datasets` that reads it; empty for none."""
    inside: str
    """The pattern of the files inside a folder; empty for a file."""
    load_options: Mapping[str, Any]
    size_bytes: int
    sha256: Mapping[str, str]
    """Of each file that holds rows, by its path inside the export folder."""


def features(schema: pa.Schema) -> tuple[dict[str, Any], ...]:
    """The columns as the `features` of a dataset card list them: `{name: tags, list: string}`."""
    return tuple({"name": one.name, **({"dtype": "json"} if holds_json(one) else _feature(one.type))} for one in schema)


def _feature(found: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(found):
        inner = _feature(found.value_type)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    if pa.types.is_struct(found):
        return {"struct": [{"name": one.name, **_feature(one.type)} for one in found]}
    return {"dtype": {"double": "float64"}.get(str(found), str(found))}


def hashes(folder: Path, path: str, inside: str) -> tuple[int, dict[str, str]]:
    """Bytes in all, and the SHA-256 of each file that holds rows, by its path inside the export folder."""
    with saying("read", folder / path):
        files = sorted((folder / path).glob(inside)) if inside else [folder / path]
        found = {}
        for file in files:
            with file.open("rb") as opened:
                found[file.relative_to(folder).as_posix()] = hashlib.file_digest(opened, "sha256").hexdigest()
        return sum(file.stat().st_size for file in files), found


def remember(folder: Path, written: Written) -> None:
    """The folder's record ends with this export; one of the same path that it held is gone."""
    with alone(folder):
        others = [one for one in read_written(folder) if one.path != written.path]
        everything = [asdict(one) for one in (*others, written)]
        write_whole(folder / RECORD, orjson.dumps({"exports": everything}, option=orjson.OPT_INDENT_2) + b"\n")


def read_written(folder: Path) -> tuple[Written, ...]:
    """The exports whose files are still there as they were written, the newest last."""
    path = folder / RECORD
    if not path.is_file():
        return ()
    try:
        with saying("read", path):
            found = [Written(**one) for one in orjson.loads(path.read_bytes())["exports"]]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}); remove it, and export again.") from error
    return tuple(one for one in found if _is_there(folder, one))


def _is_there(folder: Path, written: Written) -> bool:
    files = [folder / name for name in written.sha256]
    return all(file.is_file() for file in files) and sum(file.stat().st_size for file in files) == written.size_bytes
