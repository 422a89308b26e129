"""Runs under the faults of the reach: no row is lost, and no delivered answer is paid twice, also over a kill -9.

    python -m tests.bench.faults [--rows 2000] [--only bedrock]

5 % throttled, 2 % errors, 2 % dropped connections, 2 % garbled or cut bodies, 1 % hanging. The server keeps books
(tests/bench/mix.py); the command line runs in a process of its own, is killed once half of the answers were
delivered, and resumed. `killed` shows what a kill -9 costs: answers delivered that had not reached the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sdspec.store.journal import Journal
from tests.bench.mix import BEDROCK, OPENAI, SHARES, BookedBedrock, BookedOpenAI, Books, Mix
from tests.recipes import write_spec
from tests.servers.bedrock import Behaviour as BedrockBehaviour
from tests.servers.http import running
from tests.servers.openai import Behaviour

LANES = 64
TIMEOUT_S = 5
"""Of a call: hanging ones take that long, and one that is answered late because this machine is busy does not."""
LATENCY_S = 0.05
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
PROMPT = "{{ examples }} Ask about {{ seed }}, {{ mood }}, number {{ number }}"
VARIABLES = {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**15]}}


@dataclass(slots=True)
class Stand:
    """A server and how the command line reaches it."""

    books: Books
    drawn: dict[str, int]
    words: list[str]
    env: dict[str, str] = field(default_factory=dict)


@contextmanager
def openai(calm: bool) -> Iterator[Stand]:
    """An OpenAI-compatible endpoint, with the faults or without."""
    mix = Mix(OPENAI, {} if calm else SHARES, seed=1)
    server = BookedOpenAI(Behaviour(latency_s=LATENCY_S, latency_sigma=0.4, fault=mix))
    with running(server.handle) as url:
        words = ["provider=openai_compatible", f"provider.base_url={url}/v1", "model=default", "model.id=any"]
        yield Stand(server.books, mix.drawn, words)


@contextmanager
def bedrock(calm: bool) -> Iterator[Stand]:
    """Amazon Bedrock, with the faults or without."""
    mix = Mix(BEDROCK, {} if calm else SHARES, seed=1)
    server = BookedBedrock(BedrockBehaviour(latency_s=LATENCY_S, fault=mix))
    with running(server.handle) as url:
        yield Stand(
            server.books,
            mix.drawn,
            ["provider=bedrock", "model=claude_haiku"],
            {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url, **AWS},
        )


SERVERS = {"openai_compatible": openai, "bedrock": bedrock}


@dataclass(slots=True)
class Found:
    """What a run left behind."""

    record: dict[str, Any]
    answers: int
    """In the journal."""
    indexes: list[int]
    """Of all rows that were decided, kept or rejected."""
    ids: set[str]
    seconds: float
    killed_with: int | None = None
    """At the kill: answers delivered that were not in the journal."""


def sdspec(folder: Path, stand: Stand, *words: str) -> subprocess.Popen[str]:
    """The command, started."""
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **stand.env}
    return subprocess.Popen(
        [sys.executable, "-m", "sdspec", *words, "--quiet"],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(folder: Path, stand: Stand, rows: int, max_tries: int, kill: bool) -> Found:
    """A run of so many rows, killed and resumed where that is asked for."""
    write_spec(folder, {"template": {"prompt": PROMPT, "variables": VARIABLES}, "workflow": {"size": rows}})
    settings = [f"engine.concurrency={LANES}", f"engine.timeout_s={TIMEOUT_S}", f"engine.max_tries={max_tries}"]
    began, killed_with = time.monotonic(), None
    process = sdspec(folder, stand, "run", "colours", *stand.words, *settings)
    if kill:
        while len(stand.books.delivered) < rows // 2 and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        time.sleep(0.5)  # the server's last answers go nowhere
        killed_with = len(stand.books.delivered) - answers(folder)
        process = sdspec(folder, stand, "resume", "last")
    out, err = process.communicate()
    assert process.returncode in (0, 3), err
    run = folder / out.splitlines()[-1]
    tables = [pq.read_table(run / f"{name}.parquet", columns=["_index", "_row_id"]) for name in ("rows", "rejects")]
    return Found(
        record=json.loads((run / "run.json").read_text()),
        answers=answers(folder),
        indexes=sorted(index for table in tables for index in table["_index"].to_pylist()),
        ids={name for table in tables for name in table["_row_id"].to_pylist()},
        seconds=time.monotonic() - began,
        killed_with=killed_with,
    )


def answers(folder: Path) -> int:
    """How many the journal holds."""
    with Journal.open(folder / "outputs" / "journal.sqlite") as journal:
        return journal.stats().answers


def lines(rows: int, stand: Stand, found: Found, calm_hash: str | None) -> Iterator[tuple[str, str, str]]:
    """What was measured, the figure and its target."""
    books, counts = stand.books, found.record["counts"]
    rejected = sum(counts["rejected"].values())
    decided = counts["kept"] + rejected
    yield "requests", str(books.requests), ""
    yield "faults", ", ".join(f"{kind} {count}" for kind, count in sorted(stand.drawn.items())), "5+2+2+2+1 %"
    yield "rows kept", str(counts["kept"]), str(rows)
    yield "rows rejected, with their reason", f"{rejected} {counts['rejected'] or ''}".strip(), "any"
    lost = counts["attempted"] - decided + (found.indexes != list(range(decided))) + (decided - len(found.ids))
    yield "rows lost", str(lost), "0"
    yield "answers delivered", str(sum(books.delivered.values())), ""
    yield "answers in the journal", str(found.answers), str(len(books.delivered))
    twice = sum(books.delivered.values()) - len(books.delivered)
    if found.killed_with is None:
        yield "delivered answers asked for again", str(books.asked_again), "0"
    else:
        yield "delivered, and not on disk at the kill", str(found.killed_with), f"0..{LANES}, those in flight"
    yield "answers paid twice", str(twice), "0" if found.killed_with is None else f"{found.killed_with}, those alone"
    yield "spoiled answers, charged and of no use", str(books.spoiled), "= garbled"
    if calm_hash is not None and not rejected:
        yield "same rows as without a fault", str(calm_hash == found.record["rows_sha256"]), "True"
    yield "seconds", f"{found.seconds:.1f}", ""


def main() -> None:
    """Prints a table for each server and way of ending."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--only", choices=SERVERS)
    said = parser.parse_args()
    for name, server in SERVERS.items():
        if said.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as folder, server(calm=True) as stand:
            calm = ran(Path(folder), stand, said.rows, max_tries=6, kill=False)
        print(f"\n{name}, {said.rows} rows without faults: {calm.seconds:.1f} s")
        for title, tries, kill in (("6 tries", 6, False), ("2 tries", 2, False), ("6 tries, kill -9, resume", 6, True)):
            with tempfile.TemporaryDirectory() as folder, server(calm=False) as stand:
                found = ran(Path(folder), stand, said.rows, tries, kill)
                print(f"\n{name}, {said.rows} rows, {title}")
                for what, figure, target in lines(said.rows, stand, found, calm.record["rows_sha256"]):
                    print(f"  {what:<40} {figure:<60} {target}")


if __name__ == "__main__":
    main()
