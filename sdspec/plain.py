"""What most successful bodies are, read directly: one message, one text, counts of tokens, and nothing odd.

litellm's transforms build a dozen checked objects for each response, at 70 to 200 microseconds. Everything they do to a
plain body is to hand its text on; whatever is not plain is None here, and goes through them. A test holds both roads
to the same answers (tests/wire/test_two_roads.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

Read = tuple[str, str, Mapping[str, Any]]
"""Text, finish reason, and usage in the words of the OpenAI format."""

_THINKS = ("<think", "<budget")
"""Texts that begin like this may hold what a model thought, which litellm takes off them."""

_FINISHED = ("stop", "length")

_CHAT = frozenset({"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"})
_CHAT_TOO = frozenset({"timings", "prompt_logprobs", "prompt_token_ids", "prompt_text", "kv_transfer_params", "stats"})
"""What llama.cpp, vLLM and LM Studio say beside it; of any kind, and read by nobody."""
_TEXTS = ("id", "model", "system_fingerprint")
_CHOICE = frozenset({"index", "message", "finish_reason", "logprobs", "stop_reason", "token_ids"})
_MESSAGE = frozenset({"role", "content", "refusal", "annotations", "audio", "function_call", "tool_calls"})
_THOUGHTS = frozenset({"reasoning_content", "reasoning"})
_USAGE = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)
_DETAILS = {
    "prompt_tokens_details": frozenset({"cached_tokens", "audio_tokens"}),
    "completion_tokens_details": frozenset(
        {"reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"}
    ),
}

_CONVERSE = frozenset({"output", "stopReason", "usage", "metrics"})
_COUNTS = frozenset({"inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens"})
_STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


def chat(body: Mapping[str, Any]) -> Read | None:
    """What a body of the OpenAI chat format says; None where it is not plain. It has a message (`success`)."""
    if not body.keys() <= _CHAT and not body.keys() <= _CHAT | _CHAT_TOO:
        return None
    if any(not isinstance(body.get(name, ""), str) and body[name] is not None for name in _TEXTS):
        return None
    created, choices, usage = body.get("created", 0), body["choices"], body.get("usage")
    if type(created) is not int or len(choices) != 1 or not _is_counted(usage):
        return None
    choice = choices[0]
    message, finish = choice["message"], choice.get("finish_reason")
    if not choice.keys() <= _CHOICE or choice.get("index", 0) != 0 or choice.get("logprobs") is not None:
        return None
    text = message.get("content")
    if not isinstance(text, str) or finish not in _FINISHED or message.get("role", "assistant") != "assistant":
        return None
    if text.startswith(_THINKS) or (len(message) > 2 and not _is_bare(message)):
        return None
    return text, finish, usage or {}


def converse(body: bytes, tool: str) -> Read | None:
    """What a Converse body says; None where it is not plain. `tool` is what the answer's schema was sent as.

    Where that was called its input is the text, as JSON in litellm's spelling, and `tool_calls` is the finish reason.
    """
    try:
        data = orjson.loads(body)
        blocks, usage = data["output"]["message"]["content"], _converse_usage(data["usage"])
        stop = data["stopReason"]
    except (ValueError, LookupError, TypeError):
        return None
    if not data.keys() <= _CONVERSE or usage is None or not isinstance(stop, str):
        return None
    if not isinstance(blocks, list) or len(blocks) != 1:
        return None
    block = blocks[0]
    if not isinstance(block, dict) or len(block) != 1:
        return None
    if isinstance(text := block.get("text"), str) and stop in _STOPS:
        return None if text.startswith(_THINKS) else (text, _STOPS[stop], usage)
    if stop == "tool_use" and _is_call(block.get("toolUse"), tool):
        said = json.loads(body)["output"]["message"]["content"][0]["toolUse"]["input"]  # orjson rounds large integers
        return json.dumps(said), "tool_calls", usage
    return None


def _is_bare(message: Mapping[str, Any]) -> bool:
    """True where a message holds its text, and maybe thoughts; what else servers name is empty."""
    for name, value in message.items():
        if name in _THOUGHTS:
            if value is not None and not isinstance(value, str):
                return False
        elif name not in _MESSAGE or (value and name not in ("role", "content")):
            return False
    return True


def _is_counted(usage: Any) -> bool:
    """True where the tokens are counted in plain numbers, or not at all."""
    if usage is None:
        return True
    if not isinstance(usage, dict) or not usage.keys() <= _USAGE:
        return False
    for name, value in usage.items():
        if (known := _DETAILS.get(name)) is None:
            if type(value) is not int or value < 0:
                return False
        elif value is not None and not _is_detailed(value, known):
            return False
    return True


def _is_detailed(value: Any, known: frozenset[str]) -> bool:
    if not isinstance(value, dict) or not value.keys() <= known:
        return False
    return all(count is None or type(count) is int for count in value.values())


def _converse_usage(usage: Any) -> Mapping[str, Any] | None:
    """Converse's counts in the words of the OpenAI format, where what comes from a cache is part of the prompt."""
    if not isinstance(usage, dict) or not usage.keys() <= _COUNTS:
        return None
    if any(type(count) is not int or count < 0 for count in usage.values()):
        return None
    read, written = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    asked, answered = usage["inputTokens"] + read + written, usage["outputTokens"]
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": usage.get("totalTokens", asked + answered),
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
    }


def _is_call(used: Any, tool: str) -> bool:
    return isinstance(used, dict) and used.keys() == {"toolUseId", "name", "input"} and used["name"] == tool
