"""Model ids of Amazon Bedrock, taken apart without the network: what a model is, and from where it can be called.

Known shapes: `anthropic.claude-...` (foundation model), `us.anthropic.claude-...` (inference profile of a geography),
and ARNs. Some ARNs hold the id, others (application inference profile, provisioned throughput) hide the model. Ours
alone is `geo.anthropic.claude-...`: the inference profile by which the region calls this model, whatever region it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from sdspec.prices import price_of, trait_of, window_of

GEOGRAPHIES = {
    "us": "us",
    "us-gov": "us-gov",
    "eu": "eu",
    "ca": "ca",
    "apac": "ap",
    "jp": "ap",
    "au": "ap",
    "in": "ap",
    "global": "",
}
"""Prefix of inference profiles -> how the regions begin that call them; `global` is called from anywhere."""

HERE = "geo"
"""Stands for the geography of whatever region is called: one spec, and one packaged option, for all of them."""

_NEAREST = {
    "ap-northeast-1": "jp",
    "ap-northeast-3": "jp",
    "ap-southeast-2": "au",
    "ap-southeast-4": "au",
    "ap-south-1": "in",
}
"""Regions whose country has inference profiles of its own for some models."""

_OPEN_ID = re.compile(
    r"(?:(?P<geography>[a-z]+(?:-gov)?)\.)?(?P<model>[a-z0-9-]+\.[A-Za-z0-9-]+(?:[.:_@][A-Za-z0-9-]+)*)"
)
_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]+):(?P<account>\d{12})?:(?P<kind>[a-z-]+)/(?P<name>[\w.:/-]+)"
)
_OPEN_ARNS = ("foundation-model", "inference-profile")
_CLOSED_ARNS = ("application-inference-profile", "provisioned-model", "custom-model-deployment", "imported-model")

_ONE_OF_TWO = re.compile(r"anthropic\.claude-(opus-4-1|(opus|sonnet|haiku)-4-[56])\b")
"""Claude models that answer 400 where temperature and top_p are both set."""


@dataclass(frozen=True, slots=True)
class ModelId:
    """A model id, understood."""

    text: str
    """As written."""
    geography: str = ""
    """`us` of `us.anthropic.claude-...`; empty without one."""
    model: str | None = None
    """`anthropic.claude-...`; None where the ARN hides it."""
    region: str | None = None
    """The region that an ARN names."""

    @property
    def profile(self) -> str:
        """The id without its ARN, which is how the price map names it."""
        return ".".join(part for part in (self.geography, self.model or self.text) if part)


@cache
def understood(text: str) -> ModelId | None:
    """The id taken apart; None where Bedrock has no such ids."""
    if found := _ARN.fullmatch(text):
        if found["kind"] in _CLOSED_ARNS:
            return ModelId(text, region=found["region"])
        inner = understood(found["name"]) if found["kind"] in _OPEN_ARNS else None
        return inner and ModelId(text, inner.geography, inner.model, found["region"])
    found = _OPEN_ID.fullmatch(text)
    if found is None:
        return None
    geography, model = found["geography"] or "", found["model"]
    if geography and geography not in (HERE, *GEOGRAPHIES):
        geography, model = "", f"{geography}.{model}"
    elif not geography and model.partition(".")[0] in (HERE, *GEOGRAPHIES):
        return None  # `us.claude`: a geography, and then no vendor
    return ModelId(text, geography, model)


def problems(text: str, region: str) -> list[str]:
    """What is wrong with a model id that is called in this region."""
    found = understood(text)
    if found is None:
        return [_no_id(text)]
    if found.geography == HERE and _here(found, region) is None:
        begin = ", ".join(sorted({profile.partition(".")[0] for profile in _known_profiles(found)})) or "none"
        return [
            f"{text!r}: no inference profile of it is known that {region} calls (known begin with: {begin}). Write the "
            "id in full, or choose another region or model."
        ]
    if found.region not in (None, "", region):
        return [f"{text!r} is in {found.region}, and provider.region is {region}: set both to the same region."]
    begins = GEOGRAPHIES.get(found.geography, "")
    if begins and family_of(region) in GEOGRAPHIES.values() and begins != family_of(region):
        right = next((name for name, start in GEOGRAPHIES.items() if start == family_of(region)), "global")
        return [
            f"{text!r} cannot be called from {region}: an inference profile {found.geography!r} is called from "
            f"{begins}-... regions. Write {right}.{found.model}, or change provider.region."
        ]
    return []


def base_problems(text: str, base: str) -> list[str]:
    """What is wrong with the model that is said to be behind an id."""
    found, behind = understood(text), understood(base)
    if found is not None and found.model is not None:
        return [f"{text!r} says which model it is. Remove base_model; it is for ARNs that hide their model."]
    if behind is None or behind.model is None or base.startswith("arn:") or behind.geography == HERE:
        return [f"{base!r} is no model of Bedrock. Write it as VENDOR.MODEL, with us. or eu. before it if it has that."]
    return []


def called(text: str, region: str) -> str:
    """The id that is called in a region: `geo.` becomes the inference profile of the region's geography."""
    found = understood(text)
    return (found and found.geography == HERE and _here(found, region)) or text


def _here(found: ModelId, region: str) -> str | None:
    """The nearest way of a region to a model: its geography's profile, its own on-demand model, the global profile."""
    family = family_of(region)
    near = [_NEAREST.get(region, ""), *(name for name in (family, "apac") if GEOGRAPHIES.get(name) == family)]
    ways = [f"{name}.{found.model}" for name in near if name]
    if found.model and _is_known(f"bedrock/{region}/{found.model}"):
        ways.append(found.model)
    if family not in ("us-gov", "cn"):
        ways.append(f"global.{found.model}")
    return next((way for way in ways if way == found.model or _is_known(way)), None)


def _known_profiles(found: ModelId) -> Iterator[str]:
    return (name for prefix in GEOGRAPHIES if _is_known(name := f"{prefix}.{found.model}"))


def _is_known(name: str) -> bool:
    return price_of(name) is not None or window_of(name) is not None


def _no_id(text: str) -> str:
    bare = text.removeprefix("bedrock/").removeprefix("converse/")
    if bare != text and understood(bare):
        return f"{text!r} is litellm's spelling of a Bedrock model. Write {bare!r}."
    return (
        f"{text!r} is no model id of Bedrock. It is VENDOR.MODEL, e.g. anthropic.claude-haiku-4-5-20251001-v1:0, "
        "with us., eu., apac. or global. before it an inference profile, or an ARN; or choose model=claude_haiku."
    )


def family_of(region: str) -> str:
    """The group of regions that share inference profiles: us-east-1 -> us, us-gov-west-1 -> us-gov."""
    return "us-gov" if region.startswith("us-gov-") else region.partition("-")[0]


@cache
def map_name(text: str, region: str) -> str | None:
    """The row of the price map for a model in a region, the most particular one; None where there is none."""
    for name in _names(text, region):
        if _is_known(name):
            return name
    return None


def trait(text: str, region: str, name: str) -> bool | None:
    """What the price map says of a model; where it only knows it under another geography, that."""
    found = understood(text)
    base = found.model if found else None
    for row in (*_names(text, region), *(f"{prefix}.{base}" for prefix in GEOGRAPHIES if base)):
        if (said := trait_of(row, name)) is not None:
            return said
    return None


def is_of(text: str, *vendors: str) -> bool:
    """Whether the model is one of these, by how its id begins: `anthropic.`, `amazon.nova-`."""
    found = understood(text)
    return found is not None and found.model is not None and found.model.startswith(vendors)


def takes_one_of_two(text: str) -> bool:
    """Whether temperature and top_p exclude each other."""
    found = understood(text)
    return found is not None and bool(_ONE_OF_TWO.match(found.model or ""))


def stop_problem(text: str, stop: Sequence[str]) -> str:
    """What is wrong with the texts that end an answer of this model; empty where nothing is."""
    if any(not one for one in stop):
        return "an empty text, and Bedrock takes none."
    if is_of(text, "anthropic.") and any(not one.strip() for one in stop):
        return "a text of nothing but white space, and Claude takes none."
    return ""


def _names(text: str, region: str) -> Iterator[str]:
    found = understood(text)
    if found is None or found.model is None:
        return
    for name in dict.fromkeys((found.profile, found.model)):
        yield f"bedrock/{region}/{name}"
        yield name
