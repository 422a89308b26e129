"""Binds models to providers: {id: m, temperature: 0.2} on provider fake -> Model(call=ModelCall("fake", "m", 0.2))."""

from __future__ import annotations

from sdspec.calls import ModelCall
from sdspec.contracts import Provider
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.plan import SAMPLING, Model, kind_of
from sdspec.prices import MTOK, Price, Rates, price_of
from sdspec.spec.models import ModelSpec
from sdspec.spec.spec import Key

NOT_EVERYWHERE = {
    "path": ("takes no weights file", "Remove it."),
    "base_model": ("knows each model by its id", "Remove it."),
    "context": ("has a window of its own", "Set provider.context."),
}
"""Settings of a model that not every provider reads -> why that one does not, and what to do."""


def bind_models(draft: Draft) -> None:
    """Every model has its provider; a setting that this provider would ignore is a problem."""
    config = draft.spec.config
    named: dict[str, tuple[ModelSpec, Key]] = {"model": (config.model, ("model",))}
    named |= {name: (spec, ("models", name)) for name, spec in config.models.items()}
    for name, (spec, key) in named.items():
        wanted = spec.provider or "provider"
        if wanted not in ("provider", *config.providers):
            draft.problem((*key, "provider"), f"no provider named {wanted!r}.", did_you_mean(wanted, config.providers))
        elif provider := draft.providers.get(wanted):
            _bind(draft, name, spec, key, wanted, provider)


def _bind(draft: Draft, name: str, spec: ModelSpec, key: Key, provider_name: str, provider: Provider) -> None:
    if draft.spec.is_bad(*key, "path"):
        return
    if not _takes_settings(draft, key, spec, provider):
        return
    model_id = f"file:{spec.path}" if spec.path else spec.id
    no_id = not spec.path and draft.spec.is_bad(*key, "id")
    wrong = no_id or _check_ids(draft, key, spec, provider, model_id)
    model_id = model_id if wrong else provider.called(model_id)
    weights = draft.spec.inputs.get((*key, "path"))
    call = ModelCall(
        endpoint=provider.endpoint_identity(),
        id=model_id,
        identity=f"sha256:{weights.sha256}" if weights else provider.model_identity(model_id),
        temperature=spec.temperature,
        top_p=spec.top_p,
        top_k=spec.top_k,
        max_tokens=spec.max_tokens,
        stop=spec.stop,
        base=spec.base_model,
    )
    if no_id or not wrong:
        _check_sampling(draft, key, provider, call, is_known=not wrong)
    draft.models[name] = Model(name, provider, provider_name, call, _price(spec, provider, call))


def _price(spec: ModelSpec, provider: Provider, call: ModelCall) -> Price | None:
    """USD per token: what the spec says, in USD per million of them, before what the price map says."""
    if (own := spec.price) is None:
        return price_of(provider.price_id(call.known_as))
    cached, written = (None if usd is None else usd / MTOK for usd in (own.cached_input, own.cache_write))
    return Price(call.id, Rates(own.input / MTOK, own.output / MTOK, cached, written), "spec")


def _takes_settings(draft: Draft, key: Key, spec: ModelSpec, provider: Provider) -> bool:
    """True where the provider reads all that is set; a setting that it would ignore is a problem."""
    ignored = [
        name for name in NOT_EVERYWHERE if getattr(spec, name) is not None and name not in provider.model_settings
    ]
    for name in ignored:
        what, hint = NOT_EVERYWHERE[name]
        draft.problem((*key, name), f"provider {kind_of(provider)!r} {what}.", hint)
    return not ignored


def _check_ids(draft: Draft, key: Key, spec: ModelSpec, provider: Provider, model_id: str) -> bool:
    """True where something is wrong with the id, or with the one of the model behind it; what, is a problem."""
    at_id = "path" if spec.path else "id"
    found = [(at_id, text) for text in provider.model_problems(model_id)]
    if spec.base_model is not None:
        found += [("base_model", text) for text in provider.base_model_problems(model_id, spec.base_model)]
    for name, text in found:
        draft.problem((*key, name), text)
    return bool(found)


def _check_sampling(draft: Draft, key: Key, provider: Provider, call: ModelCall, *, is_known: bool) -> None:
    """A setting that does not reach the model, or that it would refuse, is a problem."""
    reach = provider.sampling_for(call.known_as) if is_known else provider.sampling
    refused = provider.sampling_problems(call) if is_known else {}
    for setting in SAMPLING:
        if getattr(call, setting) in (None, ()):
            continue
        if setting not in provider.sampling:
            hint = f"Set it to null, or choose another provider. It passes on: {', '.join(sorted(provider.sampling))}."
            draft.problem((*key, setting), f"provider {kind_of(provider)!r} would ignore this setting.", hint)
        elif setting not in reach:
            hint = f"Set it to null, or choose another model. It takes: {', '.join(sorted(reach))}."
            draft.problem((*key, setting), f"{call.id} does not take this setting.", hint)
        elif setting in refused:
            draft.problem((*key, setting), refused[setting])
