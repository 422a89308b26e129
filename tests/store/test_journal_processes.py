"""The journal under what happens to real processes: a kill, company, a full disk."""

import subprocess
import sys
from pathlib import Path

from sdspec.calls import Answer
from sdspec.store.journal import Journal

PUTTER = """
import asyncio, os, resource, sys
from pathlib import Path
from sdspec.calls import Answer
from sdspec.errors import StoreError
from sdspec.store.journal import Journal
from sdspec.store.records import CallRecord

path, name, first, last, limit = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def main():
    numbers = iter(range(first, last))
    with Journal.open(path) as journal:
        async def asker():
            for n in numbers:
                record = CallRecord(name, 1.0, 0.5, answer=Answer(f"{name} {n} " + "x" * 500))
                try:
                    stands = await journal.put(n.to_bytes(32, "big"), record)
                except StoreError as error:
                    tell("failed", n, error)
                    return
                tell("put", n, stands.model)
        async with asyncio.TaskGroup() as group:
            for _ in range(64):
                group.create_task(asker())
        tell("read", first, (await journal.get(first.to_bytes(32, "big"))).model)

asyncio.run(main())
"""


def putter(path: Path, name: str, first: int, last: int, limit: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PUTTER, str(path), name, str(first), str(last), str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str], how_many: int = -1) -> list[list[str]]:
    assert process.stdout
    read: list[list[str]] = []
    for line in process.stdout:
        read.append(line.split(maxsplit=2))
        if len(read) == how_many:
            break
    return read


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def test_kill_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """After SIGKILL amid thousands of puts, every put that had returned is there, whole, and more can be put."""
    with putter(tmp_path / "j", "child", 0, 1_000_000) as process:
        told = lines(process, 3000)
        process.kill()
        told += lines(process)
    numbers = [int(number) for word, number, *_ in told if word == "put"]
    assert len(numbers) >= 3000
    with Journal.open(tmp_path / "j") as journal:
        assert all(journal.look(key(n)) is not None for n in numbers)
        for n in numbers[-200:]:
            record = await journal.get(key(n))
            assert record is not None
            assert record.answer == Answer(f"child {n} " + "x" * 500)


def test_two_processes_agree(tmp_path: Path) -> None:
    """Two processes that put the same keys at once are both told the same record for each, and none is lost."""
    with putter(tmp_path / "j", "first", 0, 2000) as first, putter(tmp_path / "j", "second", 1000, 3000) as second:
        told = [{int(n): name.strip() for word, n, name in lines(one) if word == "put"} for one in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert [len(one) for one in told] == [2000, 2000]
    assert {n: told[0][n] for n in range(1000, 2000)} == {n: told[1][n] for n in range(1000, 2000)}
    with Journal.open(tmp_path / "j") as journal:
        assert journal.count() == 3000


def test_full_disk(tmp_path: Path) -> None:
    """When the disk is full every waiting put fails with that reason, reads go on, and what was committed stays."""
    with putter(tmp_path / "j", "child", 0, 100_000, limit=400_000) as process:
        told = lines(process)
    assert process.returncode == 0
    failures = [words[2] for words in told if words[0] == "failed"]
    assert len(failures) == 64
    assert all("the disk is full" in failure for failure in failures)
    assert ["read", "0", "child\n"] == told[-1]
    numbers = [int(words[1]) for words in told if words[0] == "put"]
    assert len(numbers) > 100
    with Journal.open(tmp_path / "j") as journal:
        assert all(journal.look(key(n)) is not None for n in numbers)
