"""What Amazon Bedrock offers in a region: its foundation models that write text, and the inference profiles for them.

Asked by botocore's client of the service `bedrock`, which is not the one that answers prompts: it has its own address
(AWS_ENDPOINT_URL_BEDROCK), and its own permissions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import orjson

from sdspec.aws.failure import Called, failure
from sdspec.aws.model_ids import family_of, understood
from sdspec.calls import HttpResponse
from sdspec.errors import Fatal
from sdspec.offer import Offer


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to ask, and as whom."""

    region: str
    secret: str
    """As credentials.py gives it: three lines that sign, or a Bedrock API key."""
    timeout_s: float
    ca_bundle: str | None = None
    """PEM file with the certificates to trust; None: AWS_CA_BUNDLE, else those of botocore."""


def offers(asked: Asked) -> list[Offer]:
    """The models that write text, each followed by the profiles that call it; raises CallError, ConnectionError.

    A foundation model that is called by its profiles alone names them.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        with closing(_client(asked)) as client:
            models = client.list_foundation_models(byOutputModality="TEXT")["modelSummaries"]
            profiles = [one for kind in ("SYSTEM_DEFINED", "APPLICATION") for one in _profiles(client, kind)]
    except ClientError as error:
        raise _refused(error, asked.region) from error
    except BotoCoreError as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    return list(_joined(models, profiles))


def _client(asked: Asked) -> Any:
    """A client that tries once; the secret is given, so that it looks for no other."""
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.session import Session

    keys = asked.secret.split("\n") if "\n" in asked.secret else []
    config = Config(
        connect_timeout=asked.timeout_s,
        read_timeout=asked.timeout_s,
        retries={"total_max_attempts": 1},
        signature_version="v4" if keys else UNSIGNED,
    )
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    named = {name: value for name, value in zip(names, keys, strict=False) if value}
    client = Session().create_client(
        "bedrock", region_name=asked.region, config=config, verify=asked.ca_bundle, **named
    )

    def bear(params: dict[str, Any], **_: Any) -> None:
        params["headers"]["Authorization"] = f"Bearer {asked.secret}"

    if not keys:
        client.meta.events.register("before-call.bedrock", bear)
    return client


def _profiles(client: Any, kind: str) -> Iterator[Mapping[str, Any]]:
    for page in client.get_paginator("list_inference_profiles").paginate(typeEquals=kind):
        yield from page["inferenceProfileSummaries"]


def _joined(models: Sequence[Mapping[str, Any]], profiles: Sequence[Mapping[str, Any]]) -> Iterator[Offer]:
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    for profile in profiles:
        base = profile["models"][0]["modelArn"].rpartition("/")[2]
        by_model.setdefault(base, []).append(profile)
    for model in sorted(models, key=lambda one: str(one["modelId"])):
        own = by_model.pop(model["modelId"], [])
        yield _model(model, [_profile_id(profile) for profile in own])
        yield from (_profile(profile, model) for profile in own)


def _model(model: Mapping[str, Any], profiles: Sequence[str]) -> Offer:
    ways = model.get("inferenceTypesSupported") or ["ON_DEMAND"]
    name, note = str(model.get("modelName", "")), _note(model)
    if "ON_DEMAND" in ways:
        return Offer(model["modelId"], name, "on demand", note)
    if "INFERENCE_PROFILE" in ways or profiles:
        region = [one for one in profiles if understood(one)]
        return Offer(model["modelId"], name, "profile only", note, tuple(region or profiles))
    return Offer(model["modelId"], name, "provisioned", note)


def _profile(profile: Mapping[str, Any], model: Mapping[str, Any]) -> Offer:
    return Offer(_profile_id(profile), str(profile["inferenceProfileName"]), "profile", _note(model))


def _profile_id(profile: Mapping[str, Any]) -> str:
    """Those of an account are called by their ARN."""
    own = profile["type"] == "APPLICATION"
    return str(profile["inferenceProfileArn"] if own else profile["inferenceProfileId"])


def _note(model: Mapping[str, Any]) -> str:
    return "legacy" if model.get("modelLifecycle", {}).get("status") == "LEGACY" else ""


def _refused(error: Any, region: str) -> Exception:
    """What AWS says against listing, in the words for calls; for a missing permission the one that is needed."""
    said = error.response["Error"]
    name, message = said["Code"], said.get("Message", "")
    if name == "AccessDeniedException" and "authentication failed" not in message.lower():
        hint = "Let an administrator allow bedrock:ListFoundationModels and bedrock:ListInferenceProfiles."
        return Fatal("forbidden", f"{message} {hint}", status=403)
    meta = error.response["ResponseMetadata"]
    headers = {**meta.get("HTTPHeaders", {}), "x-amzn-errortype": name}
    response = HttpResponse(meta["HTTPStatusCode"], headers, orjson.dumps({"message": message}))
    return failure(response, Called("the list of models", region, family_of(region)))
