"""Law 8: a key is in nothing that a command writes or says, however it ends; all is decompressed and looked through.

Looked for are the key as it is, URL-encoded, in JSON, and in base64 at each of its three alignments.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdspec.cli.main import main
from sdspec.providers.openai_compatible import OpenAICompatible
from sdspec.store.journal import Journal
from tests.recipes import write_spec
from tests.servers.bedrock import Behaviour as BedrockBehaviour
from tests.servers.bedrock import Failure, Key, bedrock_server_in_thread
from tests.servers.cloudera import Gateway, cloudera_server, jwt
from tests.servers.openai import Behaviour, Fault, openai_server_in_thread

SECRET = "k+y/2f=&never%seen~4242"
"""With all that URLs and base64 write otherwise."""
TOKEN = jwt("never seen", time.time() + 3600)
MODEL = "meta/llama-3.1-8b-instruct"


@dataclass(slots=True)
class Stand:
    """A server whose errors repeat the key that it was sent, and how a command reaches it."""

    words: list[str]
    secret: str
    refuse: Callable[[], None]
    """From now on the key is refused."""


def echo(form: Callable[[str], str], secret: str) -> str:
    """An error's text that repeats a key."""
    return f"cannot take {form(secret)} here"


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "for a URL": lambda secret: quote(secret, safe=""),
    "in base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "cut": lambda secret: "x" * 1973 + secret,
}
"""How a server may repeat a key; an error's text is cut after 2000 characters."""


@contextmanager
def openai_like(kind: str, form: Callable[[str], str], patch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """An endpoint of the OpenAI format."""
    patch.setenv("MY_KEY", SECRET)

    def fault(prompt: str, attempt: int) -> Fault | None:
        if "wild" in prompt:
            return Fault(400, "content_filter", echo(form, SECRET))
        return Fault(500, message=echo(form, SECRET)) if attempt == 1 else None

    with openai_server_in_thread(Behaviour(api_key=SECRET, fault=fault)) as server:
        words = [f"provider={kind}", f"provider.base_url={server.base_url}", "provider.api_key_env=MY_KEY"]

        def refuse() -> None:
            refused = Fault(401, "invalid_api_key", echo(form, SECRET))
            server.behaviour = replace(server.behaviour, fault=lambda *_: refused)

        yield Stand([*words, "model=default", "model.id=any"], SECRET, refuse)


@contextmanager
def cloudera(kind: str, form: Callable[[str], str], patch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Cloudera AI Inference, with the token in its variable or in the workbench's file."""
    elsewhere = Path(os.environ["ELSEWHERE"]) / "jwt"
    elsewhere.write_text(json.dumps({"access_token": TOKEN}))
    patch.setenv("CDP_TOKEN", TOKEN if kind == "env" else "")

    def fault(prompt: str, attempt: int) -> Fault | None:
        if "wild" in prompt:
            return Fault(400, "content_filter", echo(form, TOKEN))
        return Fault(500, message=echo(form, TOKEN)) if attempt == 1 else None

    with cloudera_server(TOKEN, gateway=Gateway()) as server:
        server.behind.behaviour = replace(server.behind.behaviour, fault=fault)
        words = ["provider=cloudera", f"provider.base_url={server.base_url}", f"provider.token_file={elsewhere}"]

        def refuse() -> None:
            refused = Fault(401, "unauthorized", echo(form, TOKEN))
            server.behind.behaviour = replace(server.behind.behaviour, fault=lambda *_: refused)

        yield Stand([*words, "model=default", f"model.id={MODEL}"], TOKEN, refuse)


@contextmanager
def bedrock(kind: str, form: Callable[[str], str], patch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """Amazon Bedrock, with keys, with a session token, or with an API key."""
    key = Key("AKIATESTONLY", "another/secret+of=40", SECRET if kind == "token" else None)
    if kind == "keys":
        key = Key("AKIATESTONLY", SECRET)
    for name, value in {
        "AWS_ACCESS_KEY_ID": key.access,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_SESSION_TOKEN": key.token or "",
        "AWS_BEARER_TOKEN_BEDROCK": SECRET if kind == "bearer" else "",
    }.items():
        patch.setenv(name, value)

    def fault(prompt: str, attempt: int) -> Failure | None:
        if "wild" in prompt:
            return Failure(400, "ValidationException", f"content filter: {echo(form, SECRET)}")
        return Failure(500, "InternalServerException", echo(form, SECRET)) if attempt == 1 else None

    with bedrock_server_in_thread(BedrockBehaviour(keys=(key,), bearer=SECRET, fault=fault)) as server:
        patch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
        patch.setenv("AWS_ENDPOINT_URL_BEDROCK", server.url)

        def refuse() -> None:
            refused = Failure(403, "UnrecognizedClientException", echo(form, SECRET))
            server.behaviour = replace(server.behaviour, fault=lambda *_: refused)

        yield Stand(["provider=bedrock", "model=claude_haiku"], SECRET, refuse)


STANDS = {
    "openai_compatible": (openai_like, "openai_compatible"),
    "openai": (openai_like, "openai"),
    "gemini": (openai_like, "gemini"),
    "cloudera, token in a variable": (cloudera, "env"),
    "cloudera, token in a file": (cloudera, "file"),
    "bedrock, keys": (bedrock, "keys"),
    "bedrock, session token": (bedrock, "token"),
    "bedrock, API key": (bedrock, "bearer"),
}


WALKED = ("openai_compatible", "cloudera, token in a file", "bedrock, session token")
"""The whole way: one of each kind. The others share all that comes after the error."""
ELSE = [("openai_compatible", form) for form in FORMS if form != "as it is"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, and another that holds what is no work of ours; caches are in the first."""
    folder = tmp_path / "here"
    changes = {"template": {"prompt": "{{ examples }} Ask about {{ seed }}, {{ mood }}, {{ number }}"}}
    changes["template"]["variables"] = {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**9]}}
    write_spec(folder, {**changes, "workflow": {"size": 4}})
    monkeypatch.chdir(folder)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    return folder


def told(secret: str) -> set[bytes]:
    """The forms in which a secret would give itself away; half of it is too much."""
    half = secret[: max(12, len(secret) // 2)]
    texts = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], half}
    found = {text.encode() for text in texts}
    for lead in range(3):
        coded = base64.b64encode(b"\0" * lead + secret.encode()).rstrip(b"=")
        found |= {coded[4 if lead else 0 : -2], coded[4 if lead else 0 : -2].translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All files below the folder as they are, and what tables and journals hold, decompressed."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            yield str(path), repr(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".sqlite":
            with contextlib.closing(sqlite3.connect(path)) as db:
                rows = db.execute("SELECT key, record FROM calls").fetchall()
            with Journal.open(path) as journal:
                yield str(path), repr([(row, journal.request(row[0])) for row in rows]).encode()


def leaks(folder: Path, said: str, secret: str) -> list[str]:
    """Where any form of the secret is found."""
    forms = told(secret)
    places = [*everything(folder), ("what was said", said.encode())]
    return [f"{where}: {form!r}" for where, held in places for form in forms if form in held]


def test_the_search_finds_what_is_hidden(here: Path) -> None:
    """The search of these tests sees a key in a compressed table, in base64 and in a URL."""
    shown = base64.b64encode(f"user:{SECRET}".encode()).decode()
    (here / "log").write_text(shown)
    pq.write_table(pa.table({"text": [f"{SECRET} {n}" for n in range(99)]}), here / "rows.parquet", compression="zstd")
    found = {Path(place.split(":")[0]).name for place in leaks(here, quote(SECRET, safe=""), SECRET)}
    assert {"log", "rows.parquet", "what was said"} == found


@pytest.mark.parametrize(("name", "form"), [*((name, "as it is") for name in STANDS), *ELSE])
def test_no_key_in_anything(
    name: str, form: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs with refusals, a sweep, a refused key, a resume and every verb that shows something: the key is nowhere.

    Servers repeat the key in each error, in one form or another.
    """
    opened, kind = STANDS[name]
    with opened(kind, FORMS[form], monkeypatch) as stand:
        assert 0 == main(["run", "colours", *stand.words])
        if form == "as it is" and name in WALKED:
            assert 0 == main(["run", "colours", "-m", *stand.words, "model.temperature=0.1,0.2"])
            looked(stand)
        stand.refuse()
        assert 1 == main(["run", "colours", *stand.words, "model.temperature=0.3"])
        assert 1 == main(["resume", "last"])
        assert 0 == main(["show", "last"])
        if name in WALKED:
            assert 1 == main(["doctor", "colours", *stand.words])
        out, err = capsys.readouterr()
        assert "***" in out + err
        assert [] == leaks(here, out + err, stand.secret)
        assert "AKIATESTONLY" not in out + err


def looked(stand: Stand) -> None:
    """Every verb that shows something has been used."""
    newest = max(Path("outputs/colours").glob("*-*/rejects.parquet")).parent
    reject = pq.read_table(newest / "rejects.parquet")["_row_id"][0].as_py()
    for words in (
        ["show", newest.name],
        ["show", newest.name, "--json"],
        ["row", newest.name, reject],
        ["row", newest.name, reject, "--json"],
        ["runs", "--json"],
        ["explain", "provider", "--spec", "colours", *stand.words],
        ["explain", "model.id", "--spec", "colours", *stand.words],
        ["check", "colours", *stand.words],
        ["plan", "colours", *stand.words, "--json"],
        ["preview", "colours", *stand.words, "--call"],
        ["export", newest.name, "export=[parquet,csv,hf]"],
    ):
        assert 0 == main(words), words
    for verb in (["doctor", "colours"], ["models"]):
        main([*verb, *stand.words])


def test_a_crash_of_ours_shows_no_key(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug ends in a traceback, and neither it nor run.json holds the key that was in the broken call's hands."""

    def broken(self: OpenAICompatible, ask: Any, response: Any) -> Any:
        raise RuntimeError("a bug of ours")

    with openai_like("openai_compatible", str, monkeypatch) as stand:
        monkeypatch.setattr(OpenAICompatible, "answer", broken)
        with pytest.raises(BaseExceptionGroup) as crashed:
            main(["run", "colours", *stand.words])
    out, err = capsys.readouterr()
    shown = "".join(traceback.format_exception(crashed.value))
    assert "a bug of ours" in shown
    assert [] == leaks(here, out + err + shown, SECRET)


def test_debugging_shows_no_key(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's, asyncio's, Hydra's and litellm's own switches for more output bring no key to light."""
    with openai_like("openai_compatible", str, monkeypatch) as stand:
        loud = {"PYTHONASYNCIODEBUG": "1", "HYDRA_FULL_ERROR": "1", "LITELLM_LOG": "DEBUG"}
        ran = subprocess.run(
            [sys.executable, "-m", "sdspec", "run", "colours", *stand.words],
            env={**os.environ, **loud},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert 0 == ran.returncode, ran.stderr
    assert [] == leaks(here, ran.stdout + ran.stderr, SECRET)


@pytest.mark.parametrize(
    "words",
    [
        ["provider.api_key=sk-proj-Zx81kQpLm0aBcDeFgH"],
        ["provider.api_key_env=sk-proj-Zx81kQpLm0aBcDeFgH"],
        ["provider=cloudera", "provider.token=hunter-2-hunter-2"],
        ["provider=bedrock", "++provider.aws_secret_access_key=hunter-2-hunter-2"],
        ["provider=openai_compatible", "provider.base_url=http://u:hunter-2-hunter-2@127.0.0.1/v1"],
    ],
)
@pytest.mark.parametrize("verb", ["run", "check", "plan", "preview"])
def test_a_key_in_a_spec_is_refused_and_not_repeated(
    verb: str, words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 with where it stands and what to write instead; no part of it is repeated, and nothing is written."""
    assert 2 == main([verb, "colours", *words])
    out, err = capsys.readouterr()
    assert "hunter" not in out + err and "Zx81kQ" not in out + err
    assert not (here / "outputs").exists()


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        (
            "MY_KEY",
            ["provider=openai_compatible", "provider.api_key_env=MY_KEY", "provider.base_url=http://127.0.0.1:9"],
        ),
        ("CDP_TOKEN", ["provider=cloudera", "provider.base_url=http://127.0.0.1:9", "provider.token_file=null"]),
        ("AWS_SECRET_ACCESS_KEY", ["provider=bedrock", "model=claude_haiku"]),
        ("AWS_BEARER_TOKEN_BEDROCK", ["provider=bedrock", "model=claude_haiku"]),
    ],
)
def test_a_key_of_two_lines_is_said_and_not_shown(
    variable: str, words: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key that was pasted with a line break: one sentence that names the variable, no traceback, no call."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTONLY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "one-line")
    monkeypatch.setenv(variable, "two-lines-of\n-a-key-that-is-never-seen")
    model = [] if "model=claude_haiku" in words else ["model=default", "model.id=any"]
    assert 1 == main(["run", "colours", *words, *model])
    out, err = capsys.readouterr()
    assert variable in err and "Traceback" not in err
    assert [] == leaks(here, out + err, "two-lines-of") + leaks(here, out + err, "-a-key-that-is-never-seen")
