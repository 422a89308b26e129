"""The child process: llama.cpp serves one GGUF file on loopback until its parent is gone.

    echo '{...Settings...}' | python -m sdspec.embedded.llama

It reads one JSON line (stdin), says one JSON line (stdout: `{"url": ...}` or `{"error": ...}`) and lives until stdin
ends. The owner file of xllamacpp. Only this process dies when llama.cpp crashes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import orjson

PARENT_LOOK_S = 1.0
"""How often the parent is looked for: a forked sibling can hold our stdin open after the parent was killed."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the child is told; the API key comes this way because arguments and environments can be read by others."""

    model: str
    slots: int
    context: int
    """Tokens per slot, prompt and answer together."""
    threads: int
    api_key: str
    parent: int
    """Process id of the parent."""

    def line(self) -> bytes:
        """The settings as one JSON line."""
        return orjson.dumps(asdict(self)) + b"\n"


def main() -> int:
    """The server has run until the parent was gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it still needs our answers
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # llama.cpp may print to stdout, which is ours to talk to the parent
    settings = Settings(**orjson.loads(sys.stdin.buffer.readline()))
    try:
        server = _server(settings)
    except ModuleNotFoundError:
        _say(answers, {"error": "missing"})
        return 1
    except RuntimeError as error:
        _say(answers, {"error": str(error)})
        return 1
    _say(answers, {"url": server.listening_address})
    _wait_for_end(settings.parent)
    os._exit(0)  # the server's own shutdown waits for answers that nobody wants any more


def _server(settings: Settings) -> Any:
    """llama.cpp's server, loaded and listening; raises ModuleNotFoundError or RuntimeError."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.port = 0  # any free one
    params.api_keys = [settings.api_key]  # other users of this machine, and web pages, must not use it
    params.n_parallel = settings.slots
    params.n_ctx = settings.slots * settings.context
    for part in (params.cpuparams, params.cpuparams_batch):
        part.n_threads = settings.threads
        part.poll = 0  # threads that spin while they wait for each other starve on a busy machine: 14 or 65 tokens/s
    params.fit_params = False  # probing the memory took 0.6 s, twice the time to load the default model
    params.cache_ram_mib = 0  # else prompts that are done stay in memory, up to 8 GiB of them
    params.n_threads_http = 2 * settings.slots + 4  # a thread per open connection: two calls per slot, and spare
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    return xllamacpp.Server(params)


def _say(answers: BinaryIO | Any, message: dict[str, str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the parent is gone already
        answers.write(orjson.dumps(message) + b"\n")


def _wait_for_end(parent: int) -> None:
    """Returns when stdin has ended or the parent is no longer ours."""
    ended = threading.Event()

    def read() -> None:
        while sys.stdin.buffer.read(1024):
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    while not ended.wait(PARENT_LOOK_S) and (sys.platform == "win32" or os.getppid() == parent):
        pass


if __name__ == "__main__":
    sys.exit(main())
