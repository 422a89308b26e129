"""Requests signed with AWS's Signature Version 4, or with a Bedrock API key.

What botocore makes of a request is the same for all that go to one address, but for the body's digest and the time.
So it is asked once for each address, and those two are put in: 10 microseconds a call in the place of 70.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

SERVICE = "bedrock"
"""The name that requests to bedrock-runtime are signed for."""

_METHOD = "AWS4-HMAC-SHA256"
_NOW = "\0"
"""Stands where the time comes: no header can hold it."""


def signed(
    url: str, headers: Mapping[str, str], body: bytes, secret: str, region: str, at: float | None = None
) -> dict[str, str]:
    """The headers with those that prove who sends the request; right for some minutes.

    `secret`: access key, secret key and session token in a line each, or a Bedrock API key. `at`: Unix time; None: now.
    """
    if "\n" not in secret:
        return {**headers, "Authorization": f"Bearer {secret}"}
    form = _form(url, tuple(headers.items()), secret, region)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{now[:8]}/{region}/{SERVICE}/aws4_request"
    request = f"{form.request.replace(_NOW, now)}{sha256(body).hexdigest()}"
    told = f"{_METHOD}\n{now}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    proof = hmac.digest(_key(secret, scope), told.encode(), "sha256").hex()
    return {
        **{name: now if value == _NOW else value for name, value in form.headers.items()},
        "Authorization": f"{_METHOD} Credential={form.who}/{scope}, SignedHeaders={form.names}, Signature={proof}",
    }


@dataclass(frozen=True, slots=True)
class _Form:
    """What is alike in all requests to one address."""

    who: str
    """The access key."""
    headers: Mapping[str, str]
    """All but the proof."""
    names: str
    """The headers that are signed."""
    request: str
    """What is signed, up to the digest of the body."""


@lru_cache(maxsize=256)
def _form(url: str, headers: tuple[tuple[str, str], ...], secret: str, region: str) -> _Form:
    """As botocore has it; credentials that are renewed have forms of their own."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import ReadOnlyCredentials

    access_key, secret_key, token = secret.split("\n")
    signer = SigV4Auth(ReadOnlyCredentials(access_key, secret_key, token or None), SERVICE, region)
    request = AWSRequest("POST", url, headers=dict(headers))
    signer.add_auth(request)
    del request.headers["Authorization"]
    request.headers.replace_header("X-Amz-Date", _NOW)
    whole: str = signer.canonical_request(request)
    names: str = signer.signed_headers(signer.headers_to_sign(request))
    return _Form(access_key, dict(request.headers.items()), names, whole[: whole.rindex("\n") + 1])


@lru_cache(maxsize=64)
def _key(secret: str, scope: str) -> bytes:
    """The key of a day, a region and a service: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html"""
    key = b"AWS4" + secret.split("\n")[1].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
