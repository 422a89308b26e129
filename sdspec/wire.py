"""What litellm knows of providers, as pure functions: an ask becomes a request, a response an answer or a typed error.

The one file that imports litellm, and only inside functions: the import takes seconds. litellm's transforms are used,
never its clients, so nothing here touches the network; its own retries, callbacks and price-map download are off.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Any

import orjson

from sdspec import openai_format, plain
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse
from sdspec.errors import CallError, Fatal, RowFatal, Transient

SCHEMA_NAME = "answer"
"""The name that the OpenAI format wants every response schema to have."""


NOTES = ("json_mode", "fake_stream")
"""What litellm's transforms say to its client among the parameters, and no provider must see: that the schema became a
tool (see `_transformed`), and that there is no streaming with it."""


TAKEN_FOR_GRANTED: Mapping[str, Mapping[str, Any]] = {"groq": {"service_tier": None}}
"""What litellm's transforms for a provider stumble over where an answer leaves it out, as gateways do."""


class _NoLog:
    """Stands where litellm's transforms expect a logger of calls."""

    def __init__(self) -> None:
        self.model_call_details: dict[str, Any] = {}
        """Where Mistral's transforms leave the headers of a response."""

    def pre_call(self, *_: Any, **__: Any) -> None:
        """Nothing is logged."""

    def post_call(self, *_: Any, **__: Any) -> None:
        """Nothing is logged."""


class _NoLookups:
    """litellm's blocking client, by which it logs in at some vendors, but that asks nobody what a model can."""

    @cached_property
    def _client(self) -> Any:
        return importlib.import_module("litellm.llms.custom_httpx.http_handler").HTTPHandler()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get(self, url: str, *further: Any, **named: Any) -> Any:
        """litellm goes on without what it does not get."""
        if url.startswith("https://huggingface.co/"):
            raise ConnectionError("the hub is not asked about a model that may be anywhere")
        return self._client.get(url, *further, **named)

    def post(self, url: str, *further: Any, **named: Any) -> Any:
        """The same, for Ollama's servers."""
        if url.endswith("/api/show"):
            raise ConnectionError("this machine's Ollama is not asked about a model that may be elsewhere")
        return self._client.post(url, *further, **named)


def warm() -> None:
    """litellm is being imported in a thread, so that the first request need not wait for it."""
    threading.Thread(target=library, name="import litellm", daemon=True).start()


def request(
    provider: str,
    ask: Ask,
    base_url: str,
    secret: str = "",
    *,
    structured: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> HttpRequest:
    """The request that asks this of litellm's provider `provider`; settings that are None are not sent.

    `extra` goes into the body as it stands (`top_k`, `seed`: what litellm does not map for this provider).
    """
    config = config_of(provider, ask.model.id)
    model, key = ask.model.id, secret or None
    messages: list[Any] = [dict(message) for message in ask.messages]
    known = {"api_base": base_url, "custom_llm_provider": provider}
    try:
        params = config.map_openai_params(settings(ask, structured), {}, model, False)
        for note in NOTES:
            params.pop(note, None)
        headers = config.validate_environment({}, model, messages, params, known, key, base_url)
        url = config.get_complete_url(base_url, key, model, params, known)
        body = config.transform_request(model, messages, params | dict(extra or {}), known, headers)
        headers, signed = config.sign_request(headers, params, body, url, key, model)
    except library().UnsupportedParamsError as error:
        raise Fatal("unsupported_setting", unsupported(error)) from error
    return HttpRequest(url=url, headers=headers, body=signed or orjson.dumps(body))


def unsupported(error: Exception) -> str:
    """What litellm says of a setting that a model does not take, with our advice in the place of its own."""
    said = str(error).removeprefix("litellm.UnsupportedParamsError: ").partition(" To drop unsupported")[0]
    return f"{said} Leave the setting out, e.g. model.temperature=null"


def answer(provider: str, ask: Ask, response: HttpResponse, secret: str = "") -> Answer:
    """The answer in the response; raises the CallError that says what to do. `secret` is kept out of its text."""
    try:
        return _answer(provider, ask, response)
    except CallError as error:
        raise error.without(secret) from None


def converse(ask: Ask, model: str, extra: Mapping[str, Any]) -> bytes:
    """The body of a Converse request of Amazon Bedrock; `model` is what litellm knows the model by.

    `extra` are Converse's own settings as litellm names them, e.g. {"top_k": 40, "guardrailConfig": {...}}.
    """
    try:
        frame = _converse_frame(model, orjson.dumps([settings(ask, structured=True), extra]))
    except library().UnsupportedParamsError as error:
        raise Fatal("unsupported_setting", unsupported(error)) from error
    return orjson.dumps({**_converse_messages(ask, guarded="guardrailConfig" in frame), **frame})


def converse_answer(ask: Ask, model: str, response: HttpResponse) -> Answer:
    """The answer in a successful Converse response; where the schema was sent as a tool, what that was called with."""
    if (read := plain.converse(response.body, _tool_name())) is not None:
        text, finish, usage = read
        if finish == "tool_calls":
            text, finish = _unwrapped(text, ask), "stop"
        return openai_format.said(text, finish, None, usage)
    body = openai_format.json_object(response)
    reply = _transformed(_converse_config(), ask, response, model)
    choice = reply.choices[0]
    text, finish = choice.message.content, choice.finish_reason
    for call in choice.message.tool_calls or ():
        if call.function.name == _tool_name():
            text, finish = _unwrapped(call.function.arguments, ask), "stop" if finish == "tool_calls" else finish
            break
    if body["stopReason"] == "model_context_window_exceeded":  # unknown to litellm
        finish = "length"
    return openai_format.said(text, finish, None, reply.usage.model_dump(warnings=False))


def classify(provider: str, ask: Ask, response: HttpResponse) -> CallError:
    """What a response that is no success means for the caller.

    Our own reading comes first; where that says no more than `bad_request` or `server_error`, litellm's collection of
    providers' phrases is asked: a prompt that is too long or filtered never gets better by asking again.
    """
    error = openai_format.failure(response)
    if error.code not in ("bad_request", "server_error"):
        return error
    checks = importlib.import_module("litellm.litellm_core_utils.exception_mapping_utils").ExceptionCheckers
    known = config_of(provider, ask.model.id).get_error_class(error.message, response.status, dict(response.headers))
    text = getattr(known, "message", "") or error.message
    if checks.is_error_str_context_window_exceeded(text):
        return RowFatal("context_too_long", error.message, status=response.status)
    if checks.is_azure_content_policy_violation_error(text):
        return RowFatal("content_filter", error.message, status=response.status)
    return error


def _answer(provider: str, ask: Ask, response: HttpResponse) -> Answer:
    if not 200 <= response.status < 300:
        raise classify(provider, ask, response)
    config = config_of(provider, ask.model.id)
    if _is_openais(config):
        body = openai_format.success(response)
        if _hands_on(config.__class__) and (read := plain.chat(body)) is not None:
            text, finish, said = read
            return openai_format.said(text, finish, None, said)
        if more := TAKEN_FOR_GRANTED.get(provider):
            response = HttpResponse(response.status, response.headers, orjson.dumps({**more, **body}))
    reply = _transformed(config, ask, response, json_mode=ask.schema is not None)
    choice = reply.choices[0]
    message = choice.message
    refusal = getattr(message, "refusal", None) or (message.provider_specific_fields or {}).get("refusal")
    counted: Any = getattr(reply, "usage", None)
    usage = counted.model_dump(warnings=False) if hasattr(counted, "model_dump") else {}
    return openai_format.said(message.content, choice.finish_reason, refusal, usage)


@lru_cache(maxsize=64)
def _converse_frame(model: str, settings: bytes) -> Mapping[str, Any]:
    """All of a Converse body but its messages, which is mostly the same: litellm takes a millisecond or more for it."""
    params, extra = orjson.loads(settings)
    config = _converse_config()
    params = config.map_openai_params(params, {}, model, False)
    said: list[Any] = [{"role": "user", "content": "-"}]
    body: dict[str, Any] = config.transform_request(model, said, params | extra, {}, {})
    return {name: value for name, value in body.items() if name not in ("messages", "system")}


def _converse_messages(ask: Ask, *, guarded: bool) -> dict[str, Any]:
    """`messages` and `system` as litellm writes them for texts, at a hundredth of the time.

    A guardrail looks at the user's last words (`guardContent`), not at what leads to them.
    """
    system = [{"text": message["content"]} for message in ask.messages if message["role"] == "system"]
    said: list[dict[str, Any]] = []
    for message in ask.messages:
        if message["role"] == "system":
            continue
        if not said or said[-1]["role"] != message["role"]:
            said.append({"role": message["role"], "content": []})
        said[-1]["content"].append({"text": message["content"]})
    if guarded and said and said[-1]["role"] == "user":
        said[-1]["content"] = [{"guardContent": {"text": text}} for text in said[-1]["content"]]
    return {"messages": said, "system": system} if system else {"messages": said}


def _unwrapped(arguments: str, ask: Ask) -> str:
    """What a tool was called with; some models put it below a key `properties`, as the schema does."""
    said = orjson.loads(arguments)
    wanted = (ask.schema or {}).get("properties", {})
    wrapped = isinstance(said, dict) and said.keys() == {"properties"} and "properties" not in wanted
    return orjson.dumps(said["properties"]).decode() if wrapped else arguments


def _transformed(
    config: Any, ask: Ask, response: HttpResponse, model: str | None = None, *, json_mode: bool = False
) -> Any:
    """litellm's ModelResponse; a 2xx body that litellm cannot read is a garbled one.

    `json_mode`: where litellm made a tool of the schema, the answer is what that was called with.
    """
    import httpx

    litellm = library()
    raw = httpx.Response(response.status, headers=dict(response.headers), content=response.body)
    messages: list[Any] = list(ask.messages)
    unreadable = (litellm.exceptions.OpenAIError, _error_class(), ValueError, LookupError, TypeError, AttributeError)
    try:
        return config.transform_response(
            model=model or ask.model.id,
            raw_response=raw,
            model_response=litellm.ModelResponse(),
            logging_obj=_NoLog(),
            request_data={},
            messages=messages,
            optional_params={},
            litellm_params={},
            encoding=None,
            json_mode=json_mode,
        )
    except Exception as error:
        # litellm raises `Exception` itself, with a traceback for its text, where its objects do not take what came
        if not isinstance(error, unreadable) and type(error) is not Exception:
            raise
        why = str(error).partition("Traceback (most")[0].strip()
        raise Transient("garbled", f"the body cannot be read: {why}", status=response.status) from error


def settings(ask: Ask, structured: bool) -> dict[str, Any]:
    """What is set of an ask, as the OpenAI format names it."""
    model = ask.model
    settings: dict[str, Any] = {
        "temperature": model.temperature,
        "top_p": model.top_p,
        "max_tokens": model.max_tokens,
        "stop": list(model.stop) or None,
    }
    if structured and ask.schema is not None:
        schema = {"name": SCHEMA_NAME, "strict": True, "schema": ask.schema}
        settings["response_format"] = {"type": "json_schema", "json_schema": schema}
    return {name: value for name, value in settings.items() if value is not None}


_ONE_THREAD = threading.Lock()
"""Where two endpoints are opened at once, pydantic must not build one schema in two threads."""


@cache
def library() -> Any:
    """litellm, imported with all that it does by itself switched off."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it downloads a price map when imported
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")  # else it loads ./.env into the environment when imported
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with _ONE_THREAD:
        litellm: Any = importlib.import_module("litellm")
        importlib.import_module("litellm.exceptions")  # which it may not have loaded by itself
        litellm.telemetry = False
        litellm.suppress_debug_info = True
        litellm.num_retries = 0
        # What its variables may have switched on: each would send something else than what the spec says.
        litellm.drop_params = litellm.modify_params = False
        litellm.enable_anthropic_prompt_caching = litellm.route_all_chat_openai_to_responses = False
        litellm.module_level_client = _NoLookups()
        litellm.ModelResponse()  # pydantic builds its schema with the first one, which takes long: better now
    return litellm


@cache
def config_of(provider: str, model: str) -> Any:
    """litellm's transforms for a model; looked up once for each."""
    library()
    kinds = importlib.import_module("litellm.types.utils").LlmProviders
    lookup = importlib.import_module("litellm.utils").ProviderConfigManager
    config = lookup.get_provider_chat_config(model, kinds(provider))
    if config is None:
        raise Fatal("unknown_model", f"litellm knows no chat format for '{model}' at provider '{provider}'")
    return config


@cache
def _converse_config() -> Any:
    return library().AmazonConverseConfig()


@cache
def _tool_name() -> str:
    name: str = importlib.import_module("litellm.constants").RESPONSE_FORMAT_TOOL_NAME
    return name


@cache
def _error_class() -> type[Exception]:
    error: type[Exception] = importlib.import_module("litellm.llms.base_llm.chat.transformation").BaseLLMException
    return error


def providers() -> list[str]:
    """The names of the providers that litellm has."""
    library()
    return [kind.value for kind in importlib.import_module("litellm.types.utils").LlmProviders]


def speaks_openai(provider: str, model: str) -> bool:
    """True where a model is asked in OpenAI's format, or nearly; False also where litellm does not say."""
    try:
        return _is_openais(config_of(provider, model))
    except Fatal:
        return False


def _is_openais(config: Any) -> bool:
    return isinstance(config, _openai_configs()[0])


@cache
def _hands_on(kind: Any) -> bool:
    """True where responses are read as all of OpenAI's format are: the text of a plain one is handed on."""
    return any(kind.transform_response is known.transform_response for known in _openai_configs())


@cache
def _openai_configs() -> tuple[Any, Any]:
    openai = importlib.import_module("litellm.llms.openai.chat.gpt_transformation").OpenAIGPTConfig
    return openai, importlib.import_module("litellm.llms.openai_like.chat.transformation").OpenAILikeChatConfig
