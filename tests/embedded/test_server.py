"""The child process that serves a GGUF file: it answers, says why it cannot start, and ends with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from sdspec.calls import HttpRequest
from sdspec.embedded.server import Served, serve
from sdspec.errors import PrerequisiteError
from tests.servers.client import post

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def served(model: Path, slots: int = 2, context: int = 512) -> AsyncIterator[Served]:
    """The model being served, small."""
    async with serve(model, slots=slots, context=context, threads=None, say=print) as running:
        yield running


def gone(pid: int) -> bool:
    """True when no such process runs; one that was not yet waited for does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def until_gone(pid: int) -> None:
    """The process is gone; the test fails when it never is."""
    async with asyncio.timeout(20):
        while not gone(pid):
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_only_who_has_the_key_is_answered(model: Path) -> None:
    """The endpoint refuses others on this machine, and the key is not in its representation."""
    body = orjson.dumps({"messages": [{"role": "user", "content": "Say hi."}], "max_tokens": 4})
    async with served(model) as endpoint:
        url = f"{endpoint.base_url}/chat/completions"
        refused = await post(HttpRequest(url, {"content-type": "application/json"}, body))
        answered = await post(HttpRequest(url, {"authorization": f"Bearer {endpoint.api_key}"}, body))
        assert endpoint.api_key not in repr(endpoint)
    assert (401, 200) == (refused.status, answered.status)


@pytest.mark.slow
async def test_leaving_ends_the_child_and_its_log(model: Path) -> None:
    """After the context, also one left by an error, the process is gone, and so is its log."""
    running = served(model)
    endpoint = await running.__aenter__()
    assert not gone(endpoint.pid)
    assert not await running.__aexit__(KeyError, KeyError("x"), None)
    assert gone(endpoint.pid)
    assert [] == list((model.parents[1] / "logs").iterdir())


@pytest.mark.slow
async def test_ctrl_c_does_not_reach_the_child(model: Path) -> None:
    """The child has a session of its own and ignores SIGINT: its parent decides when it ends."""
    async with served(model) as endpoint:
        assert os.getsid(endpoint.pid) == endpoint.pid != os.getsid(0)
        os.kill(endpoint.pid, signal.SIGINT)
        models = await post(HttpRequest(f"{endpoint.base_url}/chat/completions", {}, b"{}"))
        assert 401 == models.status


PARENT = """
import asyncio, os, sys
from pathlib import Path
from sdspec.embedded.server import serve
async def main():
    async with serve(Path(sys.argv[1]), slots=1, context=512, threads=None, say=lambda text: None) as endpoint:
        holder = os.fork() if sys.argv[2] == "forked" else 1
        print(endpoint.pid, holder, flush=True) if holder else None
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="forks and kills")
@pytest.mark.parametrize("how", ["alone", "forked"])
async def test_a_killed_parent_takes_the_child_with_it(model: Path, how: str) -> None:
    """After SIGKILL of the parent the child ends, also when a forked sibling still holds its stdin open."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(model), how], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child, holder = map(int, parent.stdout.readline().split())
        assert not gone(child)
        parent.kill()
        await until_gone(child)
        if how == "forked":
            os.kill(holder, signal.SIGKILL)


async def test_a_file_that_is_no_gguf_is_said(tmp_path: Path) -> None:
    """A missing file and a file of another kind are named before any process starts."""
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 a zip")
    for name, told in (("model.gguf", "is not a GGUF file"), ("nothing.gguf", "No such file")):
        with pytest.raises(PrerequisiteError, match=told):
            async with served(tmp_path / name):
                pass


@pytest.mark.usefixtures("empty_cache")
async def test_a_gguf_that_is_cut_off_is_said_in_llamas_words(tmp_path: Path) -> None:
    """llama.cpp's own reason stands in the message, and no process and no log stay."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF" + b"\x03\x00\x00\x00" + bytes(4))
    with pytest.raises(PrerequisiteError, match=r"llama\.cpp cannot load .*model\.gguf: .+"):
        async with served(tmp_path / "model.gguf"):
            pass


@pytest.mark.usefixtures("empty_cache")
async def test_a_missing_xllamacpp_is_said_with_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the extra is not installed, the message says how to install it."""
    (tmp_path / "xllamacpp.py").write_text("raise ModuleNotFoundError(\"No module named 'xllamacpp'\")\n")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    with pytest.raises(PrerequisiteError, match=r"pip install 'sdspec\[local\]'"):
        async with served(tmp_path / "model.gguf"):
            pass
