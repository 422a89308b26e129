"""The journal as a dictionary that several askers and processes share."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.calls import Answer
from sdspec.contracts import Verdict
from sdspec.errors import StoreError
from sdspec.store.journal import Journal
from sdspec.store.records import CallRecord, Refusal


def answered(text: str, latency_s: float = 0.5, cost_usd: float | None = None) -> CallRecord:
    answer = Answer(text, input_tokens=7, output_tokens=3, cached_tokens=1)
    return CallRecord("m", 1_700_000_000.123456, latency_s, answer=answer, cost_usd=cost_usd)


def refused(code: str) -> CallRecord:
    return CallRecord("m", 1_700_000_000.5, 0.1, error=Refusal(code, "not this", 400))


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def test_reads_what_was_put(tmp_path: Path) -> None:
    """An answer and an error come back equal, also after the file was closed and opened again."""
    path = tmp_path / "deep" / "journal.sqlite"
    with Journal.open(path) as journal:
        assert await journal.get(key(1)) is None
        assert await journal.put(key(1), answered("a\x00é😀", 0.1 + 0.2, 1e-7)) == answered("a\x00é😀", 0.1 + 0.2, 1e-7)
        await journal.put(key(2), refused("content_filter"))
    with Journal.open(path) as journal:
        assert await journal.get(key(1)) == answered("a\x00é😀", 0.1 + 0.2, 1e-7)
        assert await journal.get(key(2)) == refused("content_filter")
        assert journal.count() == 2


async def test_first_answer_stands(tmp_path: Path) -> None:
    """A second answer under a key is dropped, and who put it is told which one stands."""
    with Journal.open(tmp_path / "j") as journal:
        await journal.put(key(1), answered("first"))
        assert await journal.put(key(1), answered("second")) == answered("first")
        assert await journal.put(key(1), refused("later")) == answered("first")
        assert await journal.get(key(1)) == answered("first")


async def test_answer_replaces_error(tmp_path: Path) -> None:
    """What --retry-errors buys takes the place of the error, and an error never the place of another."""
    with Journal.open(tmp_path / "j") as journal:
        await journal.put(key(1), refused("first"))
        assert await journal.put(key(1), refused("second")) == refused("first")
        assert await journal.put(key(1), answered("bought again")) == answered("bought again")
        assert await journal.get(key(1)) == answered("bought again")


async def test_verdicts_are_kept_apart(tmp_path: Path) -> None:
    """A verdict comes back with its evidence; calls and verdicts under one key do not meet."""
    verdict = Verdict(False, "sql_error", "no such column", {"rows": [1, 2.5, None]})
    with Journal.open(tmp_path / "j") as journal:
        await journal.put(key(1), answered("a"))
        assert await journal.get_verdict(key(1)) is None
        assert await journal.put_verdict(key(1), verdict) == verdict
        assert await journal.put_verdict(key(1), Verdict(True)) == verdict
        assert await journal.get_verdict(key(1)) == verdict


async def test_requests_can_be_shown(tmp_path: Path) -> None:
    """Requests come back word for word, alike ones and unlike ones, and take little room."""
    alike = {n: {"messages": [{"role": "user", "content": "Write a query. " * 100 + str(n)}]} for n in range(200)}
    unlike = {n: {"messages": [{"role": "user", "content": chr(300 + n) * 400}]} for n in range(200, 520)}
    requests = alike | unlike | {600: {"short": "é\ud800"}}
    with Journal.open(tmp_path / "j") as journal:
        async with asyncio.TaskGroup() as group:
            for number, request in requests.items():
                group.create_task(journal.put(key(number), answered("a"), request))
        await journal.put(key(700), answered("a"))
        assert {n: journal.request(key(n)) for n in (*alike, *unlike)} == alike | unlike
        assert journal.request(key(600)) == {"short": "é\ufffd"}
        assert journal.request(key(700)) is None
        assert journal.request(key(800)) is None


async def test_many_requests_take_little_room(tmp_path: Path) -> None:
    """Two thousand prompts of 1.5 kB that differ in a number take a tenth of their size, records included."""
    with Journal.open(tmp_path / "j") as journal:
        async with asyncio.TaskGroup() as group:
            for n in range(2000):
                request = {"messages": [{"role": "user", "content": f"{n} of all tables: " + "abc défg " * 160}]}
                group.create_task(journal.put(key(n), answered("a"), request))
        assert journal.stats().size_bytes < 2000 * 1500 / 4


async def test_text_that_is_no_unicode(tmp_path: Path) -> None:
    """A lone surrogate in an answer is kept as U+FFFD, and nothing fails."""
    with Journal.open(tmp_path / "j") as journal:
        await journal.put(key(1), answered("a\ud800b"))
        assert await journal.get(key(1)) == answered("a\ufffdb")


async def test_cancelled_asker_loses_nothing(tmp_path: Path) -> None:
    """A put whose asker was cancelled while it waited is in the journal all the same."""
    with Journal.open(tmp_path / "j") as journal:
        put = asyncio.create_task(journal.put(key(1), answered("paid")))
        await asyncio.sleep(0)
        put.cancel()
        with pytest.raises(asyncio.CancelledError):
            await put
        await journal.put(key(2), answered("next"))
        assert await journal.get(key(1)) == answered("paid")


async def test_close_writes_what_is_queued(tmp_path: Path) -> None:
    """Closing commits the puts that still wait; afterwards the journal says that it is closed."""
    journal = Journal.open(tmp_path / "j")
    puts = [asyncio.create_task(journal.put(key(n), answered(str(n)))) for n in range(500)]
    await asyncio.sleep(0)
    journal.close()
    journal.close()
    await asyncio.gather(*puts)
    with pytest.raises(StoreError, match="closed"):
        await journal.get(key(1))
    with Journal.open(tmp_path / "j") as again:
        assert again.count() == 500


async def test_plan_counts_without_a_loop(tmp_path: Path) -> None:
    """look finds what there is; stats counts answers, errors and models."""
    with Journal.open(tmp_path / "j") as journal:
        async with asyncio.TaskGroup() as group:
            for n in range(300):
                group.create_task(journal.put(key(n), answered("a") if n % 3 else refused("r")))
        await journal.put_verdict(key(1), Verdict(True))
        assert [n for n in range(290, 310) if journal.look(key(n)) is not None] == list(range(290, 300))
        stats = journal.stats()
        assert (stats.answers, stats.errors, stats.verdicts, stats.models) == (200, 100, 1, {"m": 300})


KEYS = st.integers(0, 4)
RECORDS = st.one_of(
    st.builds(answered, st.text(), st.floats(0, 1e6), st.none() | st.floats(0, 1e3)), st.builds(refused, st.text())
)
ROUNDS = st.lists(st.lists(st.tuples(KEYS, st.none() | RECORDS), min_size=1, max_size=12), max_size=6)


def standing(before: CallRecord | None, new: CallRecord) -> CallRecord:
    return new if before is None or (before.error and new.answer) else before


@given(ROUNDS)
@settings(max_examples=60)
def test_any_interleaving_is_a_dictionary(rounds: list[list[tuple[int, CallRecord | None]]]) -> None:
    """Whatever is asked at once, a get sees a state of its key in that round and a put what stands after it."""

    async def scenario(path: Path) -> None:
        held: dict[int, CallRecord | None] = {}
        with Journal.open(path) as journal:
            for operations in rounds:
                states = {n: [held.get(n)] for n, _ in operations}
                first_seen = []
                for n, record in operations:
                    if record is not None:
                        states[n].append(standing(states[n][-1], record))
                    first_seen.append(0 if record is None else len(states[n]) - 1)
                results = await asyncio.gather(
                    *(journal.get(key(n)) if r is None else journal.put(key(n), r) for n, r in operations)
                )
                for (n, _), result, first in zip(operations, results, first_seen, strict=True):
                    assert result in states[n][first:]
                held.update({n: some[-1] for n, some in states.items()})
                for n, record in held.items():
                    assert await journal.get(key(n)) == record

    with TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder) / "j"))


def test_refuses_what_is_no_journal(tmp_path: Path) -> None:
    """A text file, a foreign database and a newer format are refused, each with its own sentence."""
    (tmp_path / "text").write_text("hello " * 1000)
    with pytest.raises(StoreError, match=r"text: the file is not a journal .*SDSPEC_JOURNAL"):
        Journal.open(tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "foreign")) as db:
        db.execute("CREATE TABLE t (x)")
    with pytest.raises(StoreError, match="not a journal of sdspec"):
        Journal.open(tmp_path / "foreign")
    Journal.open(tmp_path / "newer").close()
    with closing(sqlite3.connect(tmp_path / "newer")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="format 99, and this sdspec reads format 1"):
        Journal.open(tmp_path / "newer")


def test_refuses_a_network_file_system(tmp_path: Path) -> None:
    """Below an NFS mount no journal is made, and the message names the file system and the way out."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw - ext4 /dev/sda rw\n"
        f"23 22 0:50 / {tmp_path}/my\\040share rw shared:1 - nfs4 server:/x rw\n"
        f"24 23 0:51 / {tmp_path}/my\\040share/local rw - ext4 /dev/sdb rw\n"
    )
    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*SDSPEC_JOURNAL"):
        Journal.open(tmp_path / "my share" / "j", mounts)
    assert not (tmp_path / "my share" / "j").exists()
    Journal.open(tmp_path / "my share" / "local" / "j", mounts).close()


def test_read_only_folder(read_only: Path) -> None:
    """A folder that cannot be written is said so, in the folder itself and below it."""
    with pytest.raises(StoreError, match="cannot be opened or made there"):
        Journal.open(read_only / "j")
    with pytest.raises(StoreError, match="permission denied"):
        Journal.open(read_only / "below" / "j")


async def test_locked_by_another(tmp_path: Path) -> None:
    """A put that cannot get the write lock fails with that reason; reads go on."""
    with Journal.open(tmp_path / "j", busy_s=0.05) as journal:
        await journal.put(key(1), answered("a"))
        other = sqlite3.connect(tmp_path / "j", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process keeps it locked"):
            await journal.put(key(2), answered("b"))
        assert await journal.get(key(1)) == answered("a")
        other.close()
