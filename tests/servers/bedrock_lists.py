"""The lists of Bedrock's control plane: foundation models, and the inference profiles that call them, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.servers.converse_model import errors

LISTS = {"foundation-models": "ListFoundationModels", "inference-profiles": "ListInferenceProfiles"}
"""First word of the path -> operation."""

BY_PROFILE = "INFERENCE_PROFILE"
"""How a model can be called, in AWS's answers; the enumeration in the service model knows only the older two."""

PAGE = 2
"""Entries of a page of profiles: clients must ask on."""


@dataclass(frozen=True, slots=True)
class Model:
    """A foundation model of the region."""

    id: str
    name: str
    ways: tuple[str, ...] = ("ON_DEMAND",)
    geographies: tuple[str, ...] = ()
    """Of its inference profiles."""
    output: str = "TEXT"
    legacy: bool = False


OFFERED = (
    Model("amazon.nova-lite-v1:0", "Nova Lite", ("ON_DEMAND", "INFERENCE_PROFILE"), ("us",)),
    Model("amazon.titan-embed-text-v2:0", "Titan Embeddings", output="EMBEDDING"),
    Model("anthropic.claude-3-haiku-20240307-v1:0", "Claude 3 Haiku", legacy=True),
    Model("anthropic.claude-3-haiku-20240307-v1:0:200k", "Claude 3 Haiku", ("PROVISIONED",)),
    Model("anthropic.claude-haiku-4-5-20251001-v1:0", "Claude Haiku 4.5", ("INFERENCE_PROFILE",), ("us", "global")),
    Model("meta.llama3-3-70b-instruct-v1:0", "Llama 3.3 70B", ("INFERENCE_PROFILE",), ("us",)),
)
OWN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"
"""An account's own profile."""


def page(what: str, query: dict[str, str], offered: tuple[Model, ...], region: str) -> dict[str, Any]:
    """One page of a list, held against botocore's service model."""
    body = _page(what, query, offered, region)
    if wrong := list_errors(what, body):
        raise AssertionError(f"this server's own list is wrong: {wrong}")
    return body


def _page(what: str, query: dict[str, str], offered: tuple[Model, ...], region: str) -> dict[str, Any]:
    if what == "foundation-models":
        wanted = query.get("byOutputModality")
        return {"modelSummaries": [_model(one, region) for one in offered if wanted in (None, one.output)]}
    profiles = _profiles(offered, region, query.get("type") or query.get("typeEquals") or "SYSTEM_DEFINED")
    at = int(query.get("nextToken", "0"))
    more = {"nextToken": str(at + PAGE)} if at + PAGE < len(profiles) else {}
    return {"inferenceProfileSummaries": profiles[at : at + PAGE], **more}


def list_errors(what: str, body: dict[str, Any]) -> str:
    """What is wrong with a page by botocore's service model, which lacks one word that AWS says."""
    told = {**body}
    if what == "foundation-models":
        told["modelSummaries"] = [
            {**one, "inferenceTypesSupported": [way for way in one["inferenceTypesSupported"] if way != BY_PROFILE]}
            for one in body["modelSummaries"]
        ]
    return errors("bedrock", LISTS[what], "output", told)


def _model(model: Model, region: str) -> dict[str, Any]:
    return {
        "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.id}",
        "modelId": model.id,
        "modelName": model.name,
        "providerName": model.id.partition(".")[0].title(),
        "inputModalities": ["TEXT"],
        "outputModalities": [model.output],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": list(model.ways),
        "modelLifecycle": {"status": "LEGACY" if model.legacy else "ACTIVE"},
    }


def _profiles(offered: tuple[Model, ...], region: str, kind: str) -> list[dict[str, Any]]:
    if kind == "APPLICATION":
        return [_profile(OWN, "team", OWN, "APPLICATION", offered[0], region)] if offered else []
    found = []
    for model in offered:
        for geography in model.geographies:
            name = f"{geography}.{model.id}"
            arn = f"arn:aws:bedrock:{region}:123456789012:inference-profile/{name}"
            title = f"{geography.upper()} {model.name.replace('.', ' ')}"
            found.append(_profile(name, title, arn, kind, model, region))
    return found


def _profile(name: str, title: str, arn: str, kind: str, model: Model, region: str) -> dict[str, Any]:
    return {
        "inferenceProfileName": title,
        "createdAt": "2026-01-05T10:00:00Z",
        "updatedAt": "2026-01-05T10:00:00Z",
        "inferenceProfileArn": arn,
        "models": [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model.id}"}],
        "inferenceProfileId": name.rpartition("/")[2],
        "status": "ACTIVE",
        "type": kind,
    }
