"""GGUF files of Hugging Face repositories, fetched by huggingface_hub from a small server that speaks its protocol."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from sdspec.embedded.hub import HubModel, parse
from tests.servers.http import Reply, Request, running

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "owner/one": {"README.md": b"# one", "model.Q4.gguf": b"GGUF one"},
    "owner/two": {"a.gguf": b"GGUF a", "sub/b.gguf": b"GGUF b"},
    "owner/none": {"README.md": b"# none"},
}

FETCH = """
import sys
from sdspec.embedded.hub import hub_weights, parse
from sdspec.errors import PrerequisiteError
try:
    print(hub_weights(parse(sys.argv[1]), lambda text: None).read_bytes().decode())
except PrerequisiteError as error:
    print(error)
"""


async def hub(request: Request) -> Reply:
    """The hub's answers to listing and fetching files of the repositories above."""
    path = request.path.partition("?")[0].strip("/")
    for repo, files in FILES.items():
        if path.startswith(f"api/models/{repo}"):
            if "/tree/" in path:
                tree = [{"type": "file", "path": name, "size": len(data), "oid": "0"} for name, data in files.items()]
                return Reply(body=orjson.dumps(tree))
            about = {"id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            return Reply(body=orjson.dumps(about))
        revision, _, name = path.removeprefix(f"{repo}/resolve/").partition("/")
        if revision in ("main", "v1", COMMIT) and name in files:
            etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
            return Reply(body=files[name], headers={"etag": etag, "x-repo-commit": COMMIT})
    code = "EntryNotFound" if any(path.startswith(repo) for repo in FILES) else "RepoNotFound"
    return Reply(404, b"{}", {"x-error-code": code})


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A hub on loopback."""
    with running(hub) as url:
        yield url


def fetch(model_id: str, home: Path, endpoint: str, **environment: str) -> str:
    """The file's content or the error, in a process with its own hub settings."""
    hub_settings = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "NO_PROXY": "*", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", FETCH, model_id]
    return subprocess.run(
        command, cwd=ROOT, env=hub_settings | environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("hf:owner/two/sub/b.gguf", "GGUF b"),
        ("hf:owner/two/a.gguf@v1", "GGUF a"),
        ("hf:owner/one", "GGUF one"),
    ],
)
def test_a_file_is_fetched_by_its_id(model_id: str, expected: str, endpoint: str, tmp_path: Path) -> None:
    """The named file is fetched, or the only GGUF file there is; then it is there off line too."""
    assert expected == fetch(model_id, tmp_path, endpoint)
    assert expected == fetch(model_id, tmp_path, endpoint, HF_HUB_OFFLINE="1")


@pytest.mark.parametrize(
    ("model_id", "told"),
    [
        ("hf:owner/two", "must name a GGUF file, as hf:owner/two/FILE.gguf. It holds: a.gguf, sub/b.gguf."),
        ("hf:owner/none", "It holds: none."),
        ("hf:owner/two/c.gguf", "cannot fetch hf:owner/two/c.gguf@main"),
        ("hf:nobody/nothing/x.gguf", "cannot fetch hf:nobody/nothing/x.gguf@main"),
    ],
)
def test_what_cannot_be_fetched_is_said(model_id: str, told: str, endpoint: str, tmp_path: Path) -> None:
    """A missing repository or file, or a choice that is left open, is told with what to do."""
    assert told in fetch(model_id, tmp_path, endpoint)


@pytest.mark.slow  # huggingface_hub itself tries for some 20 s
def test_no_network_is_said(tmp_path: Path) -> None:
    """Without a hub the message names model.path as the way out."""
    said = fetch("hf:owner/one/model.Q4.gguf", tmp_path, "http://127.0.0.1:9")
    assert said.startswith("cannot fetch") and "model.path=FILE.gguf" in said


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        ("hf:o/r", HubModel("o/r", None, "main")),
        ("hf:o/r/d/f.gguf", HubModel("o/r", "d/f.gguf", "main")),
        ("hf:o/r/f.gguf@abc/d", HubModel("o/r", "f.gguf", "abc/d")),
        ("hf:o/r@v1", HubModel("o/r", None, "v1")),
        ("hf:o", None),
        ("hf:o/r/f.bin", None),
        ("o/r", None),
        ("hf:o/r/../f.gguf", None),
    ],
)
def test_an_id_names_a_repository_a_file_and_a_revision(model_id: str, expected: HubModel | None) -> None:
    """Ids are read whole or not at all, and the default revision is main."""
    assert expected == parse(model_id)
