"""Notes which models and providers nothing uses: models.judge that no step asks -> `models.judge: no step asks it.`"""

from __future__ import annotations

from sdspec.plan.draft import Draft


def check_models(draft: Draft) -> None:
    """Each further model that no step asks, and each further provider without a model, is told in a note."""
    config = draft.spec.config
    asked = {asked for step in draft.steps if (asked := getattr(step.part, "asks", lambda: None)()) is not None}
    for name in config.models:
        if name in draft.models and name not in asked:
            draft.notes.append(f"models.{name} ({draft.spec.origins.of(('models', name))}): no step asks it.")
    used = {model.provider for model in config.models.values()}
    for name in config.providers:
        if name in draft.providers and name not in {config.model.provider, *used}:
            origin = draft.spec.origins.of(("providers", name))
            draft.notes.append(f"providers.{name} ({origin}): no model names it. A model does by `provider: {name}`.")
