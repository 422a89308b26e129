"""Runs on an OpenAI-compatible server over real sockets: typed failures, what they cost, what is kept secret."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdspec.api import Run
from sdspec.engine import runner
from sdspec.rows import Row
from tests.recipes import counts, run_spec, write_spec
from tests.servers.openai import Behaviour, Fault, OpenAIServer, openai_server_in_thread

KEY = "sk-test-4242-never-written-anywhere"
ENDPOINT: dict[str, Any] = {
    "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "openai_compatible"}, "_self_"],
    "template": {
        "prompt": "{{ examples }} Ask about {{ seed }}, {{ mood }}, number {{ number }}",
        "variables": {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**9]}},
    },
    "model": {"id": "any"},
}


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with openai_server_in_thread(Behaviour(latency_s=0.005)) as started:
        yield started


def run_on(server: OpenAIServer, folder: Path, *overrides: str, **workflow: Any) -> Run:
    spec = write_spec(folder, {**ENDPOINT, "workflow": {"size": 20, **workflow}})
    return run_spec(spec, f"provider.base_url={server.base_url}", *overrides)


def test_rows_come_through_litellm_and_are_bought_once(server: OpenAIServer, tmp_path: Path) -> None:
    """The whole way over real HTTP; the second run asks nothing of the server."""
    first = run_on(server, tmp_path)
    again = run_on(server, tmp_path, "engine.concurrency=2")
    assert counts(first)["kept"] == 20
    assert server.requests == 20
    assert first.record()["rows_sha256"] == again.record()["rows_sha256"]


def test_passing_failures_are_tried_again_and_cost_no_row(server: OpenAIServer, tmp_path: Path) -> None:
    """Law 7: 5xx, dropped connections, cut bodies and 429 with Retry-After are all tried again, within one run."""
    server.next.extend(
        [Fault(500), Fault(drop=True), Fault(cut=True), Fault(429, headers={"retry-after": "0.01"}), Fault(503)]
    )
    run = run_on(server, tmp_path, "engine.concurrency=4")
    assert counts(run)["rejected"] == {}
    assert counts(run)["kept"] == 20
    assert server.requests == 25


def test_a_call_that_always_hangs_is_a_reject_that_the_next_run_tries_again(tmp_path: Path) -> None:
    """Law 7: a timeout that outlives its tries rejects its row alone, and is not in the journal."""
    hung: set[str] = set()

    def fault(prompt: str, attempt: int) -> Fault | None:
        if not hung:
            hung.add(prompt)
        return Fault(hang=True) if prompt in hung and attempt <= 2 else None

    with openai_server_in_thread(Behaviour(fault=fault)) as server:
        first = run_on(server, tmp_path, "engine.timeout_s=0.3", "engine.max_tries=2")
        assert counts(first)["rejected"] == {"timeout": 1}
        assert counts(first)["kept"] == 20
        second = run_on(server, tmp_path)
        assert counts(second)["rejected"] == {}
        assert server.asked[next(iter(hung))] == 3


def test_behind_a_hung_first_call_all_others_finish_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call hangs until all others were asked: few rows are held meanwhile, and all are right in the end."""
    monkeypatch.setattr(runner, "HELD_ROWS", 32)
    size, lanes = 400, 16
    hung: list[str] = []
    held: list[int] = []

    def fault(prompt: str, attempt: int) -> Fault | None:
        hung[:] = hung or [prompt]
        if prompt != hung[0]:
            return None
        if len(server.asked) < size:
            return Fault(hang=True)
        held.append(sum(isinstance(one, Row) for one in gc.get_objects()))
        return None

    few = ["engine.timeout_s=0.3", "engine.max_tries=1000", f"engine.concurrency={lanes}"]
    with openai_server_in_thread(Behaviour(fault=fault)) as server:
        late = run_on(server, tmp_path / "late", *few, size=size)
    with openai_server_in_thread(Behaviour()) as calm:
        early = run_on(calm, tmp_path / "early", size=size)
    assert counts(late)["kept"] == counts(late)["calls"]["made"] == size
    assert max(server.asked[prompt] for prompt in server.asked if prompt != hung[0]) == 1
    assert held[0] <= runner.HELD_ROWS + 2 * lanes + 32 + 1, "held, those that walk, and the hung one"
    assert late.record()["rows_sha256"] == early.record()["rows_sha256"]


def test_rows_that_fail_run_after_run_do_not_become_an_outage(tmp_path: Path) -> None:
    """Law 7: with all other rows in the journal, two rows that always fail are rejects again, and the run is done."""

    def fault(prompt: str, attempt: int) -> Fault | None:
        return Fault(500) if "red, wild" in prompt or "blue, wild" in prompt else None

    with openai_server_in_thread(Behaviour(fault=fault, latency_s=0.005)) as server:
        few = ["template.seeds=[red,blue,green]", "engine.max_tries=2", "engine.outage_s=1", "seed=14"]
        first = run_on(server, tmp_path, *few, size=6)
        second = run_on(server, tmp_path, *few, size=6)
        assert counts(first)["rejected"] == {"server_error": 2}, "what this seed draws"
        assert first.record()["status"] == second.record()["status"] == "done"
        assert counts(second)["calls"]["made"] == 0
        assert counts(second)["rejected"] == counts(first)["rejected"]


def test_a_row_that_is_always_refused_costs_one_call(tmp_path: Path) -> None:
    """Law 7: a content filter's 400 is not retried: one call, one reject, all others kept."""

    def fault(prompt: str, attempt: int) -> Fault | None:
        return Fault(400, code="content_filter", message="filtered") if "red, wild" in prompt else None

    with openai_server_in_thread(Behaviour(fault=fault, latency_s=0.005)) as server:
        run = run_on(server, tmp_path, size=40)
        assert counts(run)["kept"] == 40
        assert set(counts(run)["rejected"]) == {"content_filter"}
        assert max(server.asked.values()) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(401, code="invalid_api_key", message="Incorrect API key"), "credentials"),
        (Fault(403, code="forbidden", message="No access to this model"), "No access"),
        (Fault(404, code="model_not_found", message="The model 'any' does not exist"), "does not exist"),
        (Fault(429, code="insufficient_quota", message="You exceeded your current quota"), "quota"),
    ],
)
def test_what_fails_for_every_row_stops_the_run_at_once(tmp_path: Path, fault: Fault, said: str) -> None:
    """Law 7: refused credentials, an unknown model and a spent quota end the run after a handful of calls."""
    with openai_server_in_thread(Behaviour(fault=lambda prompt, attempt: fault)) as server:
        run = run_on(server, tmp_path, "engine.concurrency=4", size=200)
        assert run.record()["status"] == "failed"
        assert said in run.record()["why"]
        assert server.requests <= 8


def test_an_outage_in_mid_run_ends_it_resumably(tmp_path: Path) -> None:
    """Law 7: when nothing succeeds any more the run ends without a pile of rejects; the next run asks only the rest."""
    down = [False]

    def fault(prompt: str, attempt: int) -> Fault | None:
        return Fault(503) if down[0] else None

    with openai_server_in_thread(Behaviour(fault=fault, latency_s=0.002)) as server:
        run_on(server, tmp_path, size=30)
        down[0] = True
        cut = run_on(server, tmp_path, "engine.outage_s=0.8", size=60)
        assert cut.record()["status"] == "failed"
        assert counts(cut)["rejected"] == {}
        down[0] = False
        before = server.statuses[200]
        back = run_on(server, tmp_path, size=60)
        assert counts(back)["kept"] == 60
        assert server.statuses[200] - before == 30


def test_no_more_than_the_limit_is_in_flight(server: OpenAIServer, tmp_path: Path) -> None:
    """provider.limits.concurrency and engine.concurrency both bound what the server sees at once."""
    run_on(server, tmp_path, "provider.limits.concurrency=3", size=30)
    assert server.peak_in_flight <= 3


def test_the_key_is_sent_and_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 8: the key reaches the endpoint, and no file below the project holds it, also when calls fail."""
    monkeypatch.setenv("MY_KEY", KEY)
    with openai_server_in_thread(Behaviour(api_key=KEY, p500=0.2)) as server:
        run = run_on(server, tmp_path, "provider.api_key_env=MY_KEY")
        assert counts(run)["kept"] == 20
        monkeypatch.setenv("MY_KEY", f"{KEY}-revoked")
        refused = run_on(server, tmp_path, "provider.api_key_env=MY_KEY", "model.temperature=0.1")
        assert refused.record()["status"] == "failed"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_key_that_is_not_set_is_named(server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that holds no key ends the run before any call, with what to export."""
    monkeypatch.delenv("MY_KEY", raising=False)
    run = run_on(server, tmp_path, "provider.api_key_env=MY_KEY")
    assert run.record()["status"] == "failed"
    assert "export MY_KEY" in run.record()["why"]
    assert server.requests == 0
