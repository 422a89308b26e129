"""Provider `fake`: what it says, how it fails, and what that leaves unchanged."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sdspec.calls import Answer, Ask, ModelCall
from sdspec.contracts import Endpoint
from sdspec.errors import BackPressure, CallError, Fatal, PrerequisiteError, RowFatal, Transient
from sdspec.providers.fake import Fake

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["question", "score"],
    "additionalProperties": False,
}
TOLD = {"question": "How many {{ thing }}, number {{ n }}, {{ draw }}?", "score": "{{ 1 + n % 5 }}"}


def ask(number: int = 0, *, told: Any = None, schema: Any = SCHEMA, **sampling: Any) -> Ask:
    """The ask of row `number`."""
    call = ModelCall(endpoint="fake", id="any", identity="any", **sampling)
    hints = {"fake": told, "columns": {"thing": "orders"}}
    return Ask(call, ({"role": "user", "content": f"row {number}"},), f"{number:08x}00000000", schema, hints)


async def once(provider: Fake, endpoint: Endpoint, asked: Ask, timeout_s: float = 5.0) -> Answer:
    """The answer of one try."""
    assert endpoint.transport is not None
    return provider.answer(asked, await endpoint.transport(provider.request(asked, endpoint), timeout_s))


async def stubborn(provider: Fake, endpoint: Endpoint, asked: Ask) -> str:
    """What comes of an ask that is tried until it lasts: the text, or the code of a row-fatal error."""
    while True:
        try:
            return (await once(provider, endpoint, asked, 0.01)).text
        except RowFatal as error:
            return error.code
        except (BackPressure, Transient, TimeoutError):
            continue


async def said(provider: Fake, *asks: Ask) -> list[Answer]:
    """The answers to asks, one after the other."""
    async with provider.open("any", 1, print) as endpoint:
        return [await once(provider, endpoint, asked) for asked in asks]


async def test_the_templates_own_answers_are_rendered_per_row() -> None:
    """Templates see the row's columns and the draw, and give the types that the columns want."""
    (answer,) = await said(Fake(), ask(7, told=TOLD))
    expected = {"question": "How many orders, number 7, 0000000700000000?", "score": 3}
    assert expected == orjson.loads(answer.text)
    assert ("stop", 2) == (answer.finish_reason, answer.input_tokens)


async def test_without_templates_the_schema_is_obeyed_and_draws_differ() -> None:
    """Made-up answers are valid, vary with the draw, and are the same for the same draw."""
    texts = [answer.text for answer in await said(Fake(), *(ask(n) for n in (1, 2, 1)))]
    assert texts[0] == texts[2] != texts[1]
    assert orjson.loads(texts[0])["score"] in range(1, 6)


async def test_a_column_without_a_template_is_made_up() -> None:
    """Templates for some columns leave the others to the schema."""
    (answer,) = await said(Fake(), ask(told={"question": "Q?"}))
    values = orjson.loads(answer.text)
    assert "Q?" == values["question"] and values["score"] in range(1, 6)


async def test_free_text_is_the_one_template_or_a_sentence() -> None:
    """Without a schema the only template is the whole text."""
    told, free = await said(Fake(), ask(told={"text": "about {{ thing }}"}, schema=None), ask(schema=None))
    assert "about orders" == told.text
    assert free.text


async def test_length_and_stop_are_kept() -> None:
    """max_tokens cuts with finish_reason `length`, and a stop text ends the answer."""
    cut, stopped = await said(
        Fake(), ask(told=TOLD, max_tokens=2), ask(told={"text": "one. two."}, schema=None, stop=(". ",))
    )
    assert ("length", 8, 2) == (cut.finish_reason, len(cut.text), cut.output_tokens)
    assert "one" == stopped.text


async def test_a_template_that_is_wrong_is_fatal_and_says_why() -> None:
    """An undefined variable would fail every row alike, so the first says it."""
    with pytest.raises(Fatal, match="'nothing' is undefined"):
        await said(Fake(), ask(told={"question": "{{ nothing }}"}))


async def test_templates_cannot_reach_into_python() -> None:
    """Templates run in the sandbox."""
    with pytest.raises(Fatal, match="fake_template"):
        await said(Fake(), ask(told={"question": "{{ thing.__class__.__mro__ }}"}))


@pytest.mark.parametrize(
    ("knobs", "kind", "code"),
    [
        ({"p429": 1.0}, BackPressure, "rate_limited"),
        ({"p500": 1.0}, Transient, "server_error"),
        ({"pmalformed": 1.0}, Transient, "garbled"),
        ({"prefusal": 1.0}, RowFatal, "content_filter"),
        ({"bad_request_every": 1}, RowFatal, "bad_request"),
        ({"limit": 0}, BackPressure, "rate_limited"),
    ],
)
async def test_each_fault_is_the_typed_error_of_a_real_one(knobs: dict[str, Any], kind: type, code: str) -> None:
    """Faults reach the caller as the errors that real endpoints cause."""
    with pytest.raises(CallError) as caught:
        await said(Fake(**knobs), ask())
    assert (kind, code) == (type(caught.value), caught.value.code)


async def test_faults_below_http_are_the_transports_own() -> None:
    """A hanging endpoint times out, also when it is only slow, and one that is down refuses."""
    for knobs, kind in (
        ({"ptimeout": 1.0}, TimeoutError),
        ({"latency_s": 9.0}, TimeoutError),
        ({"down": True}, OSError),
    ):
        provider = Fake(**knobs)
        async with provider.open("any", 1, print) as endpoint:
            with pytest.raises(kind):
                await once(provider, endpoint, ask(), timeout_s=0.001)


@pytest.mark.parametrize(("retry_after_s", "expected"), [(None, None), (0.5, 0.5), (3.0, 3.0)])
async def test_a_429_carries_the_retry_after_it_is_told_to(retry_after_s: float | None, expected: float | None) -> None:
    """With null there is no such header, as many servers have none."""
    with pytest.raises(BackPressure) as caught:
        await said(Fake(p429=1.0, retry_after_s=retry_after_s), ask())
    assert expected == caught.value.retry_after_s


async def test_more_in_flight_than_the_limit_is_refused() -> None:
    """Of eight requests at once, three are served and five are told to slow down."""
    provider = Fake(limit=3, latency_s=0.01)
    async with provider.open("any", 8, print) as endpoint:
        results = await asyncio.gather(*(once(provider, endpoint, ask(n)) for n in range(8)), return_exceptions=True)
    assert {Answer: 3, BackPressure: 5} == Counter(type(result) for result in results)


@given(
    knobs=st.fixed_dictionaries(
        {name: st.sampled_from([0.0, 0.2]) for name in ("p429", "p500", "ptimeout", "pmalformed")}
        | {"latency_s": st.sampled_from([0.0, 0.001]), "latency_sigma": st.sampled_from([0.0, 1.0])}
    ),
    says=st.fixed_dictionaries(
        {name: st.sampled_from([0.0, 0.3]) for name in ("prefusal", "pnonsense", "pbroken_json")}
    ),
    seed=st.integers(0, 9),
)
@settings(deadline=None, max_examples=20)
def test_what_comes_of_an_ask_does_not_hang_on_what_failed_before(
    knobs: dict[str, float], says: dict[str, float], seed: int
) -> None:
    """Passing faults, latency and concurrency decide when an ask is answered, never what is said (law 5)."""

    async def all_at_once(provider: Fake) -> list[str]:
        async with provider.open("any", 9, print) as endpoint:
            return list(await asyncio.gather(*(stubborn(provider, endpoint, ask(n, told=TOLD)) for n in range(20))))

    calm, rough = Fake(seed=seed, **says), Fake(seed=seed, **says, **knobs)
    assert calm.endpoint_identity() == rough.endpoint_identity()
    assert asyncio.run(all_at_once(calm)) == asyncio.run(all_at_once(rough))


async def test_nonsense_and_broken_json_come_in_their_shares() -> None:
    """Each share hits about so many asks; broken JSON still holds the answer, nonsense does not."""

    async def texts(**knobs: float) -> list[str]:
        return [answer.text for answer in await said(Fake(**knobs), *(ask(n, told=TOLD) for n in range(400)))]

    whole = await texts()
    broken = await texts(pbroken_json=0.5)
    nonsense = await texts(pnonsense=0.5)
    assert 150 < sum(a != b for a, b in zip(whole, broken, strict=True)) < 250
    assert 150 < sum("{" not in text for text in nonsense) < 250
    assert all("How many" in text for text in broken)


def test_only_knobs_that_decide_what_is_said_are_in_the_identity() -> None:
    """Fault knobs leave the journal's keys alone; knobs that change what is said do not."""
    assert "fake" == Fake().endpoint_identity() == Fake(p500=0.5, seed=3, limit=2, down=True).endpoint_identity()
    assert {} == Fake(p429=0.1, request_log="x").deciding()
    names = ("prefusal", "pnonsense", "pbroken_json", "bad_request_every")
    assert 4 == len({Fake(**{name: 1}).endpoint_identity() for name in names} - {"fake"})


async def test_every_request_is_in_the_log_once(tmp_path: Path) -> None:
    """The log counts what the provider received, with the ask's key and the status that was sent."""
    log = tmp_path / "requests.jsonl"
    provider = Fake(p500=0.5, request_log=str(log))
    asks = [ask(n) for n in range(20)]
    async with provider.open("any", 1, print) as endpoint:
        for asked in asks:
            await stubborn(provider, endpoint, asked)
    lines = [orjson.loads(line) for line in log.read_text().splitlines()]
    assert {asked.key.hex() for asked in asks} == {line["key"] for line in lines}
    statuses = Counter(line["status"] for line in lines)
    assert 20 == statuses[200] and 5 < statuses[500] == len(lines) - 20


async def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A request log in a folder that is not there stops the run before any call."""
    with pytest.raises(PrerequisiteError, match="request_log"):
        await said(Fake(request_log=str(tmp_path / "no" / "log")), ask())


def test_shares_above_one_are_refused() -> None:
    """Shares of one whole that add up to more are a problem of the spec."""
    with pytest.raises(ValidationError, match=r"add up to 1\.2"):
        Fake(p429=0.6, p500=0.6)


def test_fake_starts_without_litellm() -> None:
    """A run on fake imports neither litellm nor an HTTP client."""
    script = "import sys, sdspec.providers.fake; print({'litellm', 'httpx', 'aiohttp'} & sys.modules.keys())"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert "set()\n" == done.stdout
