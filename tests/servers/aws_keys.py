"""AWS's keys as a server sees them: what a request signed with one must look like, and one that is lent to a role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from tests.servers.http import Request


@dataclass(frozen=True, slots=True)
class Key:
    """Credentials that the server knows."""

    access: str = "AKIDEXAMPLE"
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    token: str | None = None
    """The session token that must come with it."""


def signature(request: Request, names: str, key: Key, region: str) -> str:
    """The signature that this request must have, computed by botocore from what arrived."""
    headers = {name: request.headers[name] for name in names.split(";") if name in request.headers}
    url = f"http://{request.headers['host']}{request.path}"
    again = AWSRequest(request.method, url, headers=headers, data=request.body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    auth = SigV4Auth(ReadOnlyCredentials(key.access, key.secret, key.token), "bedrock", region)
    return str(auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again))


def lent(key: Key, body: bytes) -> bytes:
    """STS's answer to AssumeRole, for an hour."""
    asked = parse_qs(body.decode())
    assert asked["Action"] == ["AssumeRole"]
    until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        f"<AccessKeyId>{key.access}</AccessKeyId><SecretAccessKey>{key.secret}</SecretAccessKey>"
        f"<SessionToken>{key.token}</SessionToken><Expiration>{until}</Expiration></Credentials>"
        f"<AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>{asked['RoleArn'][0]}</Arn></AssumedRoleUser>"
        "</AssumeRoleResult><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></AssumeRoleResponse>"
    ).encode()
