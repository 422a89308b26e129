"""Signatures: those of botocore, header for header, whatever is signed and whenever."""

from __future__ import annotations

import datetime

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdspec.aws.signature import SERVICE, signed

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
words = st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
hosts = st.sampled_from(
    ["https://bedrock-runtime.us-east-1.amazonaws.com", "http://127.0.0.1:8123", "https://vpce-1.example:443/proxy/"]
)
models = st.sampled_from(
    [
        "us.amazon.nova-lite-v1:0",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile%2Fabcdef123456",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    access=words,
    secret=words,
    token=st.just("") | words,
    region=st.sampled_from(["us-east-1", "eu-west-3"]),
    host=hosts,
    model=models,
    body=st.binary(min_size=1, max_size=200),
    at=st.integers(1_600_000_000, 2_400_000_000),
)
def test_requests_are_signed_as_botocore_signs_them(
    monkeypatch: pytest.MonkeyPatch,
    access: str,
    secret: str,
    token: str,
    region: str,
    host: str,
    model: str,
    body: bytes,
    at: int,
) -> None:
    """Every header is the same, in the same order; only the clock of botocore is set."""
    monkeypatch.setattr(auth, "get_current_datetime", lambda: datetime.datetime.fromtimestamp(at, datetime.UTC))
    url = f"{host}/model/{model}/converse"
    request = AWSRequest("POST", url, headers=HEADERS, data=body)
    auth.SigV4Auth(ReadOnlyCredentials(access, secret, token or None), SERVICE, region).add_auth(request)
    found = signed(url, HEADERS, body, f"{access}\n{secret}\n{token}", region, at)
    assert list(request.headers.items()) == list(found.items())


def test_an_api_key_signs_nothing() -> None:
    """A Bedrock API key is sent as it is."""
    assert {**HEADERS, "Authorization": "Bearer abc"} == signed("https://x.example", HEADERS, b"{}", "abc", "us-east-1")
