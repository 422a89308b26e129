"""Options that an option brings with it: a provider its own default model.

conf/provider/bedrock.yaml begins with

    defaults:
      - override /model: claude_haiku
      - _self_

and so `provider=bedrock` runs with a model that Bedrock has. To Hydra such an override would count for more than what a
spec chooses on top of it, and a further provider (`/provider@providers.judge: bedrock`) would change the spec's own
model. Here it stands in for the packaged root's choice, and for nothing else: whoever chooses a model, in a defaults
list or on the command line, has chosen it, and keys that a spec sets under `model:` lie on the model that was brought.
"""

from __future__ import annotations

from hydra._internal.defaults_list import DefaultsList

from sdspec.spec.find import ROOT
from sdspec.spec.repository import Bringing, Repository


def brought_by(defaults: DefaultsList, repository: Repository) -> dict[str, Bringing]:
    """Group -> what the chosen options bring for it, where nothing but the packaged root has chosen there."""
    found: dict[str, Bringing] = {}
    for default in reversed(defaults.defaults):  # an option that builds on another one comes after it, and wins
        group = str(default.config_path).rpartition("/")[0]
        if default.package == group.replace("/", "."):
            for brought in repository.brought.get(str(default.config_path), ()):
                found.setdefault(brought.group, brought)
    of_the_root = {default.override_key for default in defaults.defaults if default.parent == ROOT}
    free = of_the_root - defaults.overrides.override_choices.keys()
    return {group: brought for group, brought in found.items() if group in free}
