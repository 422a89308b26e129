"""Settings that a provider has a variable of its own for: read when a spec is loaded, and nowhere behind that."""

from __future__ import annotations

import os
from dataclasses import replace

from sdspec.spec.finding import OVERRIDES
from sdspec.spec.settings import Setting, find, put
from sdspec.spec.spec import Key, Origin

VARIABLES = {"bedrock": {"endpoint_url": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"}}
"""Kind of a provider -> its settings that a variable gives where they are null. They decide which endpoint answers,
so that a plan must know them: what only says how calls are made stays with the provider."""


def with_environment(tree: Setting) -> Setting:
    """The tree with references to the variables that are set: `endpoint_url: ${oc.env:AWS_...}` in place of null."""
    named = find(tree, ("providers",))
    keys: list[Key] = [("provider",), *(("providers", name) for name in (named.mapping if named else ()))]
    for key in keys:
        provider = find(tree, key)
        if provider is None:
            continue
        for name, variable in VARIABLES.get(provider.kind or "", {}).items():
            written = provider.mapping.get(name)
            if os.environ.get(variable, "").strip() and (written is None or written.value is None):
                places = (written or provider).places
                above = max(OVERRIDES - 1, places[-1].layer + 1)
                place = replace(places[-1], origin=Origin(f"environment variable {variable}"), layer=above)
                chain = (*places, place) if written else (place,)
                tree = put(tree, (*key, name), Setting(f"${{oc.env:{variable}}}", chain, written))
    return tree
