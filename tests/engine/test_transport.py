"""The HTTP session: proxies of the environment, and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdspec.calls import HttpRequest
from sdspec.engine.route import proxy_of, route_to
from sdspec.engine.transport import http_transport
from sdspec.errors import RunFatal
from tests.engine.test_endpoints import ENDPOINT
from tests.recipes import counts, run_spec, write_spec
from tests.servers.certificates import Certificates, certificates
from tests.servers.http import Reply, Request, running, serving
from tests.servers.openai import Behaviour, OpenAIServer, openai_server_in_thread

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA that no machine trusts."""
    return certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy's address, and the URLs it was asked for: it answers them itself, as an OpenAI server would."""
    behind, asked = OpenAIServer(Behaviour()), []

    async def handle(request: Request) -> Reply:
        asked.append(request.path)
        path = "/" + request.path.split("/", 3)[3]
        return await behind.handle(Request(request.method, path, request.headers, request.body))

    with running(handle) as url:
        yield url, asked


def test_a_proxy_of_the_environment_is_used(
    tmp_path: Path, proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endpoint elsewhere is reached by it."""
    monkeypatch.setenv("HTTP_PROXY", proxy[0])
    spec = write_spec(tmp_path, {**ENDPOINT, "workflow": {"size": 5}})
    run = run_spec(spec, "provider.base_url=http://models.invalid/v1")
    assert counts(run)["kept"] == 5
    assert proxy[1] == ["http://models.invalid/v1/chat/completions"] * 5


def test_a_netrc_does_not_stand_against_the_key(
    tmp_path: Path, proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spec says which key is sent; what curl would take for the host is nobody's business."""
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", proxy[0])
    monkeypatch.setenv("THE_KEY", "sk-1")
    spec = write_spec(tmp_path, {**ENDPOINT, "workflow": {"size": 5}})
    run = run_spec(spec, "provider.base_url=http://models.invalid/v1", "provider.api_key_env=THE_KEY")
    assert counts(run)["kept"] == 5


async def test_a_proxy_is_told_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user and the password of the proxy's address are sent to it, and a bare address is one of HTTP."""
    seen: list[str | None] = []

    async def handle(request: Request) -> Reply:
        seen.append(request.headers.get("proxy-authorization"))
        return Reply()

    async with serving(handle) as url, http_transport() as send:
        host = url.partition("//")[2]
        for number, proxy in enumerate((f"http://me:secret@{host}", host)):
            monkeypatch.setenv("HTTP_PROXY", proxy)
            asked = HttpRequest(f"http://models.invalid/v{number}", {}, b"{}")
            assert 200 == (await send(asked, 5.0)).status
    assert ["Basic bWU6c2VjcmV0", None] == seen


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_is_never_reached_by_a_proxy(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded model and servers on loopback work with the company's proxy set."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with openai_server_in_thread() as server:
        spec = write_spec(tmp_path, {**ENDPOINT, "workflow": {"size": 5}})
        run = run_spec(spec, f"provider.base_url={server.base_url.replace('127.0.0.1', host)}")
        assert counts(run)["kept"] == 5, run.record()["why"]


async def test_a_certificate_for_another_name_is_told_so_without_wrong_advice(private: Certificates) -> None:
    """A CA bundle does not help where the name is wrong."""

    async def handle(request: Request) -> Reply:
        return Reply()

    trusting = ssl.create_default_context(cafile=str(private.ca_file))
    async with serving(handle, tls=private.server) as url, http_transport(trusting) as send:
        assert 200 == (await send(HttpRequest(url, {}, b"", method="GET"), 5.0)).status
        with pytest.raises(RunFatal, match="Hostname mismatch") as caught:
            await send(HttpRequest(url.replace("127.0.0.1", "localhost"), {}, b""), 5.0)
    assert "ca_bundle" not in str(caught.value)


@pytest.mark.parametrize(
    ("left_out", "url", "goes_by_proxy"),
    [
        ("gateway.example:8443", "https://gateway.example:8443/v1", False),
        ("gateway.example:443", "https://gateway.example/v1", False),
        ("gateway.example:8443", "https://gateway.example/v1", True),
        ("localhost, 10.0.0.0/8", "https://10.1.2.3:8000/v1", False),
        ("10.0.0.0/8,broken/99", "https://11.1.2.3:8000/v1", True),
        ("10.0.0.0/8", "https://ten.example/v1", True),
        ("fd00::/8", "https://[fd12::3]:8000/v1", False),
        ("fd12::3", "https://[fd12::3]:8000/v1", False),
        (".example", "https://gateway.example/v1", False),
    ],
)
def test_what_no_proxy_names_is_reached_directly(
    left_out: str, url: str, goes_by_proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host, a host with its port, a domain, a network: as companies write them; doctor says the same."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", left_out)
    assert goes_by_proxy == (proxy_of(url) is not None)
    assert goes_by_proxy == bool(route_to(url).proxy)
