"""AWS credentials from where AWS keeps them.

botocore is imported only inside functions: that takes half a second. It looks for credentials (environment, profile,
SSO, role, container, instance) and renews those that expire; it sends nothing but what that takes.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

from sdspec.errors import PrerequisiteError, did_you_mean

BEARER = "AWS_BEARER_TOKEN_BEDROCK"
"""The variable that holds a Bedrock API key; as with boto3 it comes before other credentials of the environment."""

SESSION_NAME = "sdspec"
"""How CloudTrail calls whoever assumed the role."""


@dataclass(frozen=True, slots=True)
class Account:
    """Which credentials to look for; everything empty means AWS's default chain."""

    region: str
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    ca_bundle: str | None = None
    """A PEM file that is trusted beside what AWS's libraries trust."""


class Keys(NamedTuple):
    """Credentials as they sign now."""

    secret: str
    """All that is secret, in one text: three lines that sign requests, or a Bedrock API key."""
    expire: bool
    """They are renewed by looking at them again in time."""
    source: str
    """For people: where they are from."""
    until: float | None = None
    """Unix time at which they expire, where they say so."""


class Credentials:
    """Credentials found; looked for again where they are refused."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._found: Any = None

    def look(self) -> Keys:
        """The credentials, looked for anew; may ask the network; raises PrerequisiteError."""
        alone = self._account.profile is None and self._account.role_arn is None
        if alone and (bearer := os.environ.get(BEARER, "").strip()):
            self._found = None
            if "\n" in bearer:
                raise PrerequisiteError(f"the environment variable {BEARER} holds several lines. Set one key, in one.")
            return Keys(bearer, False, f"the environment variable {BEARER}")
        self._found = _credentials(self._account)
        return self.current()

    def current(self) -> Keys:
        """The credentials as they are now: those that expire are renewed here, a quarter of an hour before."""
        if self._found is None:
            return self.look()
        frozen = _frozen(self._found, self._account)
        parts = (frozen.access_key, frozen.secret_key, frozen.token or "")
        if any("\n" in part for part in parts):
            raise PrerequisiteError(
                "AWS credentials: one of them holds a line break. Look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
                "AWS_SESSION_TOKEN, or at ~/.aws/credentials."
            )
        until = getattr(self._found, "_expiry_time", None)  # botocore has no public name for it
        source = _source(self._found.method, self._account)
        return Keys("\n".join(parts), hasattr(self._found, "refresh_needed"), source, until and until.timestamp())


def _source(method: str, account: Account) -> str:
    """Where AWS's chain found them, in the words of its documentation."""
    named = account.profile or os.environ.get("AWS_PROFILE") or "default"
    places = {
        "env": "the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "shared-credentials-file": f"profile {named} of ~/.aws/credentials",
        "config-file": f"profile {named} of ~/.aws/config",
        "sso": f"AWS SSO, profile {named}",
        "custom-process": f"the credential_process of profile {named}",
        "assume-role": f"the role {account.role_arn or f'of profile {named}'}",
        "assume-role-with-web-identity": "a web identity token (AWS_WEB_IDENTITY_TOKEN_FILE)",
        "iam-role": "the role of this EC2 instance",
        "container-role": "the role of this container",
    }
    return places.get(method, method)


@cache
def region_problem(region: str) -> str:
    """Empty where AWS has this region, else what is wrong."""
    from botocore.session import Session

    session = Session()
    partitions = session.get_available_partitions()
    known = {name for one in partitions for name in session.get_available_regions("ec2", one)}
    return "" if region in known else f"AWS has no region {region!r}. {did_you_mean(region, known)}"


def _credentials(account: Account) -> Any:
    from botocore.exceptions import BotoCoreError, ProfileNotFound
    from botocore.session import Session

    try:
        session = Session(profile=account.profile)
        if account.ca_bundle is not None:
            session.set_config_variable("ca_bundle", str(_joined(Path(account.ca_bundle).expanduser())))
        found = session.get_credentials()
    except ProfileNotFound as missing:
        known = ", ".join(Session().available_profiles) or "(none)"
        raise PrerequisiteError(f"provider.profile: {missing}. Known to ~/.aws: {known}.") from None
    except BotoCoreError as error:
        raise PrerequisiteError(f"AWS credentials: {error}") from None
    if found is None:
        raise PrerequisiteError(
            "no AWS credentials found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or "
            f"provider.profile=NAME of ~/.aws/config, or {BEARER} for a Bedrock API key."
        )
    return _assumed(session, found, account) if account.role_arn else found


@cache
def _joined(ca_bundle: Path) -> Path:
    """A file, until this process ends, with the bundle and what botocore trusts: it takes one file, and no other."""
    from botocore.httpsession import get_cert_path

    with NamedTemporaryFile("wb", prefix="sdspec-ca-", suffix=".pem", delete=False) as file:
        file.write(Path(get_cert_path(True)).read_bytes() + b"\n" + ca_bundle.read_bytes())
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return Path(file.name)


def _assumed(session: Any, source: Any, account: Account) -> Any:
    """The credentials of the role, got with those of the source when they are needed."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    more = {"RoleSessionName": SESSION_NAME} | ({"ExternalId": account.external_id} if account.external_id else {})
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=partial(session.create_client, region_name=account.region),
        source_credentials=source,
        role_arn=account.role_arn,
        extra_args=more,
    )
    return DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")


def _frozen(found: Any, account: Account) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError, SSOError

    try:
        return found.get_frozen_credentials()
    except SSOError as error:
        name = f" --profile {account.profile}" if account.profile else ""
        raise PrerequisiteError(f"AWS credentials: {error} Log in: aws sso login{name}") from None
    except ClientError as error:
        where = f"provider.role_arn: AWS does not give {account.role_arn}" if account.role_arn else "AWS credentials"
        raise PrerequisiteError(f"{where}: {error}") from None
    except BotoCoreError as error:
        raise PrerequisiteError(f"AWS credentials: {error}") from None
