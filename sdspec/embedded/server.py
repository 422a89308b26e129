"""An embedded model serves an OpenAI-compatible endpoint on loopback while a context is open.

llama.cpp runs in a child process of its own session: a crash of it, or Ctrl-C, does not take the other with it, and
it ends when this process ends, however that happens.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import orjson

from sdspec.digests import cache_folder
from sdspec.embedded.cache import writable
from sdspec.embedded.llama import Settings
from sdspec.errors import PrerequisiteError

END_S = 5.0
"""How long the child may take to end before it is killed."""

SAY_EVERY_S = 10.0

INSTALL = "pip install 'sdspec[local]'"


@dataclass(frozen=True, slots=True)
class Served:
    """A model being served."""

    base_url: str
    api_key: str = field(repr=False)
    pid: int


def can_serve() -> bool:
    """Whether llama.cpp is installed; it is not loaded."""
    return find_spec("xllamacpp") is not None


@asynccontextmanager
async def serve(
    model: Path, *, slots: int, context: int, threads: int | None, say: Callable[[str], None]
) -> AsyncIterator[Served]:
    """The model is loaded and answers below `base_url`; raises PrerequisiteError with llama.cpp's own reason.

    `slots` answers are generated at the same time, each with `context` tokens for its prompt and answer.
    """
    _check_gguf(model)
    log = writable(cache_folder() / "logs") / f"llama-{os.getpid()}-{secrets.token_hex(4)}.log"
    settings = Settings(str(model), slots, context, threads or threads_to_use(), secrets.token_urlsafe(24), os.getpid())
    with log.open("wb") as log_file:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sdspec.embedded.llama"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
        )
    try:
        url = await _started(child, settings, log, say)
        yield Served(f"{url}/v1", settings.api_key, child.pid)
    finally:
        await _ended(child)
        log.unlink(missing_ok=True)


def threads_to_use() -> int:
    """All cores that this process may use but one, which sdspec and its checks need; both of two.

    Two threads on two cores gave 65 tokens/s where one gave 38, beside another busy process; with a second busy process
    23 and 36.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min(cores, 2), cores - 1)


def _check_gguf(model: Path) -> None:
    """Raises PrerequisiteError when the file is not there or is no GGUF file."""
    try:
        with model.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise PrerequisiteError(f"cannot read the model file {model}: {error.strerror}.") from error
    if magic != b"GGUF":
        raise PrerequisiteError(f"{model} is not a GGUF file: it starts with {magic!r}.")


async def _started(child: asyncio.subprocess.Process, settings: Settings, log: Path, say: Callable[[str], None]) -> str:
    """The URL that the child listens on, the model loaded; raises PrerequisiteError."""
    assert child.stdin is not None and child.stdout is not None
    with suppress(ConnectionError):  # a child that died at once is told from its silence below
        child.stdin.write(settings.line())
        await child.stdin.drain()
    reading = asyncio.ensure_future(child.stdout.readline())
    say(f"loading {Path(settings.model).name}")
    waited_s = 0.0
    try:
        while not (await asyncio.wait({reading}, timeout=SAY_EVERY_S))[0]:
            waited_s += SAY_EVERY_S
            say(f"loading {Path(settings.model).name} ({waited_s:.0f} s)")
    finally:
        reading.cancel()
    message = orjson.loads(reading.result() or b"{}")
    if "url" in message:
        return str(message["url"])
    if message.get("error") == "missing":
        raise PrerequisiteError(f"provider 'local' needs xllamacpp: {INSTALL}")
    code = await child.wait()
    reason = message.get("error") or f"the process ended with code {code}"
    raise PrerequisiteError(f"llama.cpp cannot load {settings.model}: {_reason(log) or reason}")


def _reason(log: Path) -> str:
    """llama.cpp's first error line, which names the cause; the later ones repeat it."""
    lines = log.read_text("utf-8", "replace").splitlines()
    errors = [line.split(" E ", 1)[1] for line in lines if " E " in line]
    return (errors or lines[-1:] or [""])[0].strip()


async def _ended(child: asyncio.subprocess.Process) -> None:
    """The child is gone: asked by closing its stdin, then killed."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), END_S)
    except TimeoutError:
        with suppress(ProcessLookupError):  # it ended just now
            child.kill()
        await child.wait()
