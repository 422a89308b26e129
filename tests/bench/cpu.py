"""Processor time a call, over a whole run: render, journal, send, parse, commit, Parquet, export.

    python -m tests.bench.cpu [--calls 4000] [--lanes 64] [--runs 3] [--only llama] [KEY=VALUE ...]

It is that of the whole process with all its threads, what it imports at the start not counted. Requests to Bedrock are
signed with made-up keys, and answered by a server that does not look at them.
"""

from __future__ import annotations

import os

from tests.bench.load import Ran, Server, alone, asked, fast, run, spread, table

LATENCY_S = 0.2
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
MODELS = {
    "openai_compatible": ("", 0.8),
    "bedrock nova": ("us.amazon.nova-lite-v1:0", 1.2),
    "bedrock llama": ("us.meta.llama3-3-70b-instruct-v1:0", 1.2),
    "bedrock claude": ("us.anthropic.claude-haiku-4-5-20251001-v1:0", 1.2),
}
"""The model's id on Bedrock, and the milliseconds that are allowed."""
WARMING = 20


def settings(server: Server, name: str) -> list[str]:
    """The overrides that lead to this model at the server."""
    model, _ = MODELS[name]
    if not model:
        return []
    return ["provider=bedrock", "provider.region=us-east-1", f"provider.endpoint_url={server.url}", f"model.id={model}"]


def one(server: Server, name: str, calls: int, lanes: int, overrides: list[str]) -> Ran:
    """A run at this model, with all it needs imported before."""
    os.environ.update(AWS)
    words = [*settings(server, name), f"engine.concurrency={lanes}", *overrides]
    server.reset(latency=0.0, columns="question,answer")
    run(server, WARMING, 1, "seed=1", *words)
    server.reset(latency=LATENCY_S, columns="question,answer")
    return run(server, calls, 1, *words)


def main() -> None:
    """Prints a line for each provider and model."""
    said = asked(__doc__, calls=4_000, lanes=64, runs=3, only="")
    names = [name for name in MODELS if said.only in name]
    runs: dict[str, list[Ran]] = {name: [] for name in names}
    with fast() as server:
        for _ in range(said.runs):
            for name, found in runs.items():
                found.append(alone(one, server, name, said.calls, said.lanes, said.overrides))
    lines = [
        (
            name,
            spread([1000 * ran.cpu_s / said.calls for ran in found], ".2f"),
            MODELS[name][1],
            spread([1000 * ran.stats["cpu_s"] / said.calls for ran in found], ".2f"),
            found[0].record["counts"]["kept"],
        )
        for name, found in runs.items()
    ]
    head = ("model", "CPU ms a call", "at most", "the server's", "kept")
    table(f"{said.calls} calls, {said.lanes} at once, {said.runs} runs: median (lowest-highest)", head, lines)


if __name__ == "__main__":
    main()
