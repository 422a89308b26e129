"""The dataset card, `README.md` beside the exported files: what they hold, how they were made, how they are loaded.

Its head is read by `datasets.load_dataset` and the Hugging Face hub: a config for each file. One folder can have
configs of one loader only, so files of another format are loaded as the card's body says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sdspec.catalog.card_text import STATES, Facts, body
from sdspec.catalog.funnel import read_funnel
from sdspec.plan.plan import Plan
from sdspec.spec.record import to_yaml
from sdspec.store.disk import write_whole
from sdspec.store.exports import Written, read_written

CARD = "README.md"
TAGS = ("synthetic", "sdspec")
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
"""Rows below -> the hub's name of the size (huggingface/hub-docs, datasetcard.md)."""
LARGEST = "10M<n<100M"


def write_cards(plan: Plan, run: Path, record: Mapping[str, Any], into: Path, new: Sequence[str]) -> Path:
    """The card of an export folder is there, and one inside each exported folder, so that it travels along.

    It lists what is there: the files whose paths are `new`, and those of earlier exports. `record` is run.json.
    """
    there = read_written(into)
    entries = [one for one in there if one.path in new] + [one for one in there if one.path not in new]
    facts = _facts(plan, run, record)
    for one in entries:
        if one.inside and one.path in new:
            write_whole(into / one.path / CARD, _card(facts, [_from_inside(one)]).encode())
    write_whole(into / CARD, _card(facts, entries).encode())
    return into / CARD


def _facts(plan: Plan, run: Path, record: Mapping[str, Any]) -> Facts:
    counts = record.get("counts")
    ended = record["status"] not in STATES
    if ended and counts:
        rejected = tuple(Counter(counts["rejected"]).most_common())
        return Facts(plan, record, counts["kept"], counts["attempted"], rejected, ended)
    funnel = read_funnel(run, samples=0)
    by_reason: Counter[str] = Counter()
    for reason in funnel.reasons:
        by_reason[reason.reason] += reason.count
    return Facts(plan, record, funnel.kept, funnel.kept + by_reason.total(), tuple(by_reason.most_common()), ended)


def _from_inside(written: Written) -> Written:
    """The entry as it is seen from inside its own folder."""
    inside = {name.removeprefix(f"{written.path}/"): sha256 for name, sha256 in written.sha256.items()}
    return replace(written, path=".", sha256=inside)


def _card(facts: Facts, entries: Sequence[Written]) -> str:
    configs = _configs(entries)
    return f"---\n{to_yaml(_head(facts, configs, entries))}---\n\n{body(facts, configs, entries)}"


def _configs(entries: Sequence[Written]) -> dict[str, Written]:
    """Config name -> entry, for those of the loader that reads most of them; the first of a name has it."""
    loaders = Counter(one.loader for one in entries if one.loader)
    loader = max(loaders, key=lambda name: loaders[name], default="")
    configs: dict[str, Written] = {}
    for one in entries:
        if loader and one.loader == loader:
            configs[one.name if one.name not in configs else one.path] = one
    return configs


def _head(facts: Facts, configs: Mapping[str, Written], entries: Sequence[Written]) -> dict[str, Any]:
    card = facts.card
    rows = max((one.rows for one in entries), default=0)
    head: dict[str, Any] = {"pretty_name": facts.plan.name}
    if card.get("license") is not None:
        head["license"] = card["license"]
    head["tags"] = list(dict.fromkeys((*TAGS, *(card.get("tags") or ()))))
    head["size_categories"] = [next((name for below, name in SIZES if rows < below), LARGEST)]
    if configs:
        head["configs"] = [
            {
                "config_name": name,
                "data_files": data_files(one),
                **({"default": True} if position == 0 else {}),
                **one.load_options,
            }
            for position, (name, one) in enumerate(configs.items())
        ]
        head["dataset_info"] = [
            {"config_name": name, "features": [dict(feature) for feature in one.features]}
            for name, one in configs.items()
        ]
    return head


def data_files(written: Written) -> str:
    """The pattern of the files that hold the rows, from the folder of the card."""
    if not written.inside:
        return written.path
    return written.inside if written.path == "." else f"{written.path}/{written.inside}"
