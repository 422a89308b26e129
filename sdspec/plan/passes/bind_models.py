"""Binds models to providers: {id: m, temperature: 0.2} on provider fake -> Model(call=ModelCall("fake", "m", 0.2))."""

from __future__ import annotations

from sdspec.calls import ModelCall
from sdspec.contracts import Provider
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.plan import SAMPLING, Model, kind_of
from sdspec.spec.models import ModelSpec
from sdspec.spec.spec import Key


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
    for setting in SAMPLING:
        if getattr(spec, setting) not in (None, ()) and setting not in provider.sampling:
            passed = ", ".join(sorted(provider.sampling))
            hint = f"Set it to null, or choose another provider. It passes on: {passed}."
            draft.problem((*key, setting), f"provider {kind_of(provider)!r} would ignore this setting.", hint)
    if draft.spec.is_bad(*key, "path"):
        return
    if spec.path is not None and "path" not in provider.model_settings:
        draft.problem((*key, "path"), f"provider {kind_of(provider)!r} takes no weights file.", "Remove it.")
        return
    model_id = f"file:{spec.path}" if spec.path else spec.id
    for text in provider.model_problems(model_id):
        draft.problem((*key, "path" if spec.path else "id"), text)
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
    )
    draft.models[name] = Model(name, provider, provider_name, call)
