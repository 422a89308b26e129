"""`preview --call`: what it pays for is kept, and it pays for no more than it was asked for."""

import asyncio
from pathlib import Path

import sdspec
from sdspec.engine.preview import walk_first
from sdspec.engine.run import Silent
from sdspec.store.journal import Journal
from tests.recipes import requests_in, write_spec


async def test_an_interrupt_keeps_what_is_in_flight_and_sends_no_more(tmp_path: Path) -> None:
    """Five rows, one lane, and Ctrl-C amid the first call: its answer is in the journal, the others were never sent."""
    log = tmp_path / "log"
    overrides = ["engine.concurrency=1", "provider.latency_s=0.3", f"provider.request_log={log}"]
    plan = sdspec.compile(sdspec.load(write_spec(tmp_path), overrides, cwd=tmp_path))
    with Journal.open(tmp_path / "journal.db") as journal:
        walking = asyncio.create_task(walk_first(plan, journal, 5, Silent()))
        async with asyncio.timeout(60):
            while not requests_in(log):
                await asyncio.sleep(0.01)
            walking.cancel()
            await asyncio.wait([walking])
        assert (sum(requests_in(log).values()), journal.count()) == (1, 1)
    assert walking.cancelled()


async def test_rows_of_a_failed_answer_each_show_its_call(tmp_path: Path) -> None:
    """Three rows from one answer that never comes: each shows the one call that failed."""
    overrides = ["workflow.per_call=3", "engine.max_tries=1", "provider.p500=0.5", "provider.seed=3"]
    plan = sdspec.compile(sdspec.load(write_spec(tmp_path), overrides, cwd=tmp_path))
    with Journal.open(tmp_path / "journal.db") as journal:
        walked = await walk_first(plan, journal, 15, Silent())
    failed = [one for one in walked if one.reject]
    assert {one.reject.reason for one in failed if one.reject} == {"server_error"}
    assert len({one.calls[-1].ask.key for one in failed}) < len(failed)
