"""Calls that no row needs any more, since the quota is met: whatever becomes of them, the run is done."""

import asyncio
from pathlib import Path

import orjson

import sdspec
from sdspec.engine.run import Silent
from sdspec.engine.tally import Tally
from tests.engine.test_endpoints import ENDPOINT
from tests.recipes import counts, write_spec
from tests.servers.http import Reply, Request, running
from tests.servers.openai import Behaviour, OpenAIServer


class Watching(Silent):
    """Sees when all wanted rows are kept, and what a user is warned of."""

    def __init__(self) -> None:
        self.is_full = False
        self.warned: list[str] = []

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        self.is_full = tally.kept == tally.wanted

    def warn(self, text: str) -> None:
        self.warned.append(text)


def test_a_key_that_is_revoked_for_surplus_calls_fails_no_run(tmp_path: Path) -> None:
    """Law 7 ends runs that cannot go on; one whose rows are all kept is done, and warns."""
    watch, asked = Watching(), 0
    model = OpenAIServer(Behaviour(answer=lambda body: orjson.dumps({"question": "Q?", "answer": "A."}).decode()))

    async def handle(request: Request) -> Reply:
        nonlocal asked
        asked += 1
        if asked <= 3:
            return await OpenAIServer(Behaviour(answer=lambda body: "no JSON")).handle(request)
        if asked == 4:
            return await model.handle(request)
        while not watch.is_full:
            await asyncio.sleep(0.01)
        return Reply(403, b'{"error": {"message": "revoked", "code": "forbidden"}}')

    spec = write_spec(tmp_path, {**ENDPOINT, "workflow": {"size": 1, "reasks": 0}})
    with running(handle) as url:
        words = [f"engine.outputs={tmp_path / 'outputs'}", f"provider.base_url={url}/v1"]
        run = sdspec.run(sdspec.compile(sdspec.load(spec, words, cwd=tmp_path)), watch)
    assert run.record()["status"] == "done"
    assert (counts(run)["kept"], counts(run)["wanted"]) == (1, 1)
    assert len([text for text in watch.warned if "revoked" in text]) == 1
