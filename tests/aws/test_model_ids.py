"""Model ids of Bedrock: taken apart, checked against the region, and found in the price map."""

import pytest

from sdspec.aws import model_ids

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"


@pytest.mark.parametrize(
    ("text", "geography", "model"),
    [
        (HAIKU, "", HAIKU),
        (f"us.{HAIKU}", "us", HAIKU),
        (f"us-gov.{HAIKU}", "us-gov", HAIKU),
        (f"global.{HAIKU}", "global", HAIKU),
        ("deepseek.v3.2", "", "deepseek.v3.2"),
        ("us.deepseek.v3.2", "us", "deepseek.v3.2"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{HAIKU}", "", HAIKU),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{HAIKU}", "us", HAIKU),
        (PROFILE, "", None),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", "", None),
    ],
)
def test_an_id_says_its_geography_and_its_model(text: str, geography: str, model: str | None) -> None:
    """Profiles and ARNs are seen through where they show the model."""
    found = model_ids.understood(text)
    assert found is not None
    assert (geography, model) == (found.geography, found.model)
    assert [] == model_ids.problems(text, "us-gov-west-1" if geography == "us-gov" else "us-east-1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("smollm2-135m-instruct", "no model id of Bedrock"),
        ("us.claude", "no model id of Bedrock"),
        ("file:/weights.gguf", "no model id of Bedrock"),
        (f"bedrock/{HAIKU}", f"Write '{HAIKU}'"),
        (f"eu.{HAIKU}", f"Write us.{HAIKU}"),
        (f"apac.{HAIKU}", f"Write us.{HAIKU}"),
        (PROFILE.replace("us-east-1", "us-west-2"), "set both to the same region"),
        ("arn:aws:bedrock:us-east-1:123456789012:agent/abc", "no model id of Bedrock"),
    ],
)
def test_an_id_that_cannot_be_called_says_what_to_write(text: str, says: str) -> None:
    """Malformed ids, and ids of another place, are told before any call."""
    assert says in " ".join(model_ids.problems(text, "us-east-1"))


def test_every_chat_model_of_the_price_map_is_understood() -> None:
    """No id that AWS has is taken for a mistake: all chat models that litellm knows on Converse."""
    from sdspec.prices import _map

    ids = [
        name.rpartition("/")[2]
        for name, row in _map().items()
        if row.get("litellm_provider") == "bedrock_converse" and row.get("mode") == "chat"
    ]
    assert len(ids) > 200
    assert [] == [name for name in ids if (found := model_ids.understood(name)) is None or found.model is None]


def test_the_price_is_that_of_the_region_then_the_profile_then_the_model() -> None:
    """The most particular row of the map counts; an ARN that hides its model has none."""
    assert "bedrock/eu-west-1/meta.llama3-8b-instruct-v1:0" == model_ids.map_name(
        "meta.llama3-8b-instruct-v1:0", "eu-west-1"
    )
    assert f"us.{HAIKU}" == model_ids.map_name(f"us.{HAIKU}", "us-east-1")
    assert "amazon.nova-lite-v1:0" == model_ids.map_name("ca.amazon.nova-lite-v1:0", "ca-central-1")
    assert None is model_ids.map_name(PROFILE, "us-east-1")
