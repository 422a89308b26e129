"""A small run whose rows need one call or two, at a server that keeps books; and what must hold after any fault."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.faults import PROMPT, VARIABLES
from tests.bench.mix import BookedOpenAI, Books
from tests.faults.zygote import Ended, Zygote
from tests.recipes import write_spec
from tests.servers.http import running
from tests.servers.openai import Behaviour

LANES = 4
ROWS = 16
TABLES = ("rows.parquet", "rejects.parquet")
"""Their bytes follow from the answers alone; those of calls.parquet from how the calls went too."""


def answer(body: dict[str, Any]) -> str:
    """Wild moods get prose first, and are asked again; every third number is answered alike, and is a repeat."""
    asked = str(body["messages"][0]["content"])
    if "wild" in asked and len(body["messages"]) == 1:
        return "I would rather sing."
    drawn = int(hashlib.sha256(asked.encode()).hexdigest(), 16)
    return json.dumps({"question": "again" if drawn % 3 == 0 else f"What of {drawn % 10**6}?", "answer": "It is."})


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a spec, and its endpoint."""

    folder: Path
    server: BookedOpenAI
    words: tuple[str, ...]
    """Of `sdspec run`."""

    @property
    def twice(self) -> int:
        """Answers that were delivered again."""
        delivered = self.server.books.delivered
        return sum(delivered.values()) - len(delivered)

    def runs(self) -> list[Path]:
        """The run folders, the oldest first."""
        return sorted(path.parent for path in (self.folder / "outputs" / "colours").glob("*/run.json"))


@contextmanager
def endpoint() -> Iterator[tuple[BookedOpenAI, str]]:
    """A server and its URL; what its answers are bought as hangs on the URL, so runs to be compared need the same."""
    server = BookedOpenAI(Behaviour(latency_s=0.005, latency_sigma=0.4, answer=answer))
    with running(server.handle) as url:
        yield server, f"{url}/v1"


def project(folder: Path, at: tuple[BookedOpenAI, str], rows: int = ROWS) -> Project:
    """A project in the folder; the server's books are begun anew."""
    server, url = at
    server.books = Books()
    changes = {"prompt": PROMPT, "variables": VARIABLES}
    write_spec(folder, {"template": changes, "workflow": {"size": rows}})
    model = ["provider=openai_compatible", f"provider.base_url={url}", "model=default", "model.id=any"]
    return Project(folder, server, ("run", "colours", *model, f"engine.concurrency={LANES}", "--quiet"))


def record(run: Path) -> dict[str, Any]:
    """run.json."""
    found: dict[str, Any] = json.loads((run / "run.json").read_text())
    return found


def outcome(run: Path) -> dict[str, Any]:
    """All of a run that follows from its answers."""
    said = record(run)
    tables = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in TABLES}
    counts = {name: said["counts"][name] for name in ("wanted", "attempted", "kept", "rejected")}
    exported = (run / "export" / "train.jsonl").read_text()
    left = [
        path.name for path in run.rglob("*") if path.name.startswith(".") and path.suffix in (".tmp", ".old", ".done")
    ]
    return {
        "status": said["status"],
        "rows_sha256": said["rows_sha256"],
        "counts": counts,
        **tables,
        "export": exported,
        "report": (run / "report.html").is_file(),
        "card": (run / "export" / "README.md").is_file(),
        "left behind": left,
    }


def gone_on(zygote: Zygote, made: Project, *, resume_first: bool) -> list[dict[str, Any]]:
    """The outcomes of the newest run, resumed, and of a new one, in either order; each has ended well."""
    found = []
    cut = made.runs()[-1:]
    for resumes in (True, False) if resume_first else (False, True):
        if resumes and not cut:
            continue
        ended = zygote.run(made.folder, ["resume", str(cut[0]), "--quiet"] if resumes else made.words)
        if resumes and ended.code == 1 and "was killed before it began" in ended.err:
            continue
        assert ended.code == 0, (resumes, ended.err)
        found.append(outcome(made.folder / ended.folder))
    return found


def read(zygote: Zygote, made: Project) -> list[Ended]:
    """What the commands that look at runs say of the newest one, if there is any."""
    looked = [zygote.run(made.folder, ["runs", "--json"])]
    for run in made.runs()[-1:]:
        looked += [zygote.run(made.folder, ["show", str(run)]), zygote.run(made.folder, ["row", str(run), "0"])]
    return looked
