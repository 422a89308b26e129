"""The body of a dataset card in Markdown: sections of one run's facts, none of which needs the run to have ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from sdspec.contracts import Check, Dedup
from sdspec.plan.plan import Plan, kind_of
from sdspec.prices import dollars
from sdspec.store.exports import Written

NOTE = """\
<!-- Written by sdspec at each export: what you change here is overwritten. It takes card.license, card.description and
card.tags from the spec; `sdspec export RUN card.license=cc-by-4.0` sets them later. -->"""
STATES = {
    "running": "the run goes on",
    "interrupted": "the run was interrupted",
    "budget": "the run stopped at its budget",
    "failed": "the run failed",
}
"""Statuses of a run that may keep more rows yet."""
SEEDS_SHOWN = 20
SEED = 80
"""Characters of a seed that are shown."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card says of a run."""

    plan: Plan
    record: Mapping[str, Any]
    """run.json"""
    kept: int
    attempted: int
    rejected: tuple[tuple[str, int], ...]
    """(reason, rows), the most frequent first."""
    ended: bool
    """False for the `STATES`."""

    @property
    def card(self) -> Mapping[str, Any]:
        """`card` of the spec as it is written: what the environment holds is not in it."""
        return self.plan.spec.raw.get("card") or {}


def body(facts: Facts, configs: Mapping[str, Written], entries: Sequence[Written]) -> str:
    """The card below its head."""
    parts = [
        NOTE,
        f"# {facts.plan.name}",
        str(facts.card.get("description") or ""),
        "Synthetic data, written by a language model from prompts." if not _made_up(facts.plan) else "",
        _bullets(warnings(facts)),
        "## Files",
        _files(facts, entries),
        *_loading(configs, entries),
        *(part for one in entries for part in _columns(one)),
        "## How it was made",
        _table(("", ""), _made(facts)),
        *_prompt(facts.plan.spec.raw),
        "## What became of the rows",
        _table(("rows", ""), _funnel(facts)),
        "## Make it again",
        *_again(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def warnings(facts: Facts) -> list[str]:
    """What to know before training on the rows."""
    found = []
    plan, record = facts.plan, facts.record
    counts = record.get("counts") or {}
    if not facts.ended:
        state = STATES[record["status"]]
        found.append(f"**Not all of it**: {state}; these are the rows it had kept by then.")
    elif facts.kept < counts.get("wanted", 0):
        why = _plain(str(record.get("why")))
        found.append(f"**Fewer rows than wanted**: {facts.kept} of {counts['wanted']} ({why}).")
    if _made_up(plan):
        found.append("**No model wrote this**: provider `fake` made the texts up, to try a spec.")
    if any(kind_of(one.provider) == "local" and "135m" in one.call.id for one in plan.models.values()):
        found.append("**A small model**: 135 million parameters; expect wrong and dull answers.")
    if plan.spec.config.evaluation is None:
        found.append("**Not judged**: no evaluation scored the rows; they passed the checks below, and nothing more.")
    if (record.get("git") or {}).get("dirty"):
        found.append("**Not as committed**: the spec's folder had changes that were not in git.")
    return found


def _made_up(plan: Plan) -> bool:
    return any(kind_of(model.provider) == "fake" for model in plan.models.values())


def _files(facts: Facts, entries: Sequence[Written]) -> str:
    lines = []
    for one in entries:
        of_another = "" if one.run == facts.record["id"] else f", of run {_code(one.run)}"
        packer = f"{_code(one.packer['kind'])}{of_another}"
        lines += [(_code(path), f"{one.rows:,}", one.format, packer, f"`{sha}`") for path, sha in one.sha256.items()]
    return _table(("file", "rows", "format", "packed as", "sha256"), lines)


def _loading(configs: Mapping[str, Written], entries: Sequence[Written]) -> list[str]:
    here = {one.path for one in configs.values()}
    lines = [
        *(f'load_dataset("path/to/this/folder", {_json(name)})' for name, one in configs.items() if one.path != "."),
        *(_load(one) for one in entries if one.loader and (one.path not in here or one.inside)),
    ]
    if not lines:
        return []
    return [_fenced("\n".join(["from datasets import load_dataset, load_from_disk", "", *lines]), "python")]


def _load(written: Written) -> str:
    if written.inside:
        return f"load_from_disk({_json(written.path if written.path != '.' else 'path/to/this/folder')})"
    options = "".join(f", {name}={value!r}" for name, value in written.load_options.items())
    return f"load_dataset({_json(written.loader)}, data_files={_json(written.path)}{options})"


def _columns(written: Written) -> list[str]:
    title = _code(written.path) if written.path != "." else "The rows"
    lines = [(_code(one["name"]), _plain(_type(one))) for one in written.features]
    return [
        f"### {title}",
        _table(("column", "type"), lines),
        "The first row:",
        _fenced(orjson.dumps(dict(written.example), option=orjson.OPT_INDENT_2).decode(), "json"),
    ]


def _type(feature: Mapping[str, Any] | str | list[Any]) -> str:
    if isinstance(feature, str):
        return feature
    if isinstance(feature, list):
        return "{" + ", ".join(f"{one['name']}: {_type(one)}" for one in feature) + "}"
    if "list" in feature:
        return f"list of {_type(feature['list'])}"
    return _type(feature["struct"]) if "struct" in feature else str(feature["dtype"])


def _made(facts: Facts) -> list[tuple[str, str]]:
    plan, record = facts.plan, facts.record
    seeds = [_code(str(item.values["seed"])[:SEED]) for item in plan.items if "seed" in item.values]
    shown = ", ".join(seeds[:SEEDS_SHOWN]) + (f" and {len(seeds) - SEEDS_SHOWN} more" if seeds[SEEDS_SHOWN:] else "")
    checks = [f"{kind_of(one.part)} ({_code(one.part.column)})" for one in plan.steps if isinstance(one.part, Check)]
    dedups = [
        f"{kind_of(one.part)} ({', '.join(map(_code, one.part.columns)) or 'all columns'})"
        for one in plan.steps
        if isinstance(one.part, Dedup)
    ]
    lines = [*((_plain(name), _plain(str(model))) for name, model in plan.models.items())]
    lines += [
        (f"{len(seeds)} seeds", shown) if seeds else ("seeds", "none"),
        ("checks", ", ".join(checks) or "none"),
        ("repeats", ", ".join(dedups) or "kept"),
        ("judges", ", ".join(map(_plain, plan.spec.config.evaluation or ())) or "none"),
        ("when", " to ".join(str(record[key])[:19] for key in ("started_at", "ended_at") if record.get(key))),
    ]
    if facts.ended and "tokens" in record:
        tokens, calls = record["tokens"], record["counts"]["calls"]
        lines.append(("calls", f"{calls['made']:,} made, {calls['from_journal']:,} answered by the journal"))
        lines.append(("tokens", f"{tokens['input']:,} in, {tokens['output']:,} out"))
        unpriced = f", and {record['unpriced_calls']:,} calls of unknown price" if record["unpriced_calls"] else ""
        cost = f"{dollars(record['cost_usd'])}{unpriced}"
        lines.append(("cost", cost if record["cost_usd"] or unpriced else "none"))
    return lines


def _prompt(raw: Mapping[str, Any]) -> list[str]:
    """The texts as they stand in the spec; what the environment holds is not in them."""
    template = raw.get("template") or {}
    found = []
    for name in ("system", "prompt"):
        if text := template.get(name):
            found += [f"The {name}, before seeds, examples and variables are filled in:", _fenced(str(text).rstrip())]
    return found


def _funnel(facts: Facts) -> Iterable[tuple[str, str]]:
    yield f"{facts.attempted:,}", "attempted"
    for reason, count in facts.rejected:
        yield f"-{count:,}", _code(reason)
    yield f"{facts.kept:,}", "kept"


def _again(facts: Facts) -> list[str]:
    record, git = facts.record, facts.record.get("git")
    versions = ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items())
    lines = [
        ("run", f"`{record['id']}`"),
        ("plan", f"`{record['plan']}`"),
        ("spec's commit", f"`{git['commit']}`{' and changes since' if git['dirty'] else ''}" if git else "not in git"),
        ("rows_sha256", f"`{record['rows_sha256']}`" if record.get("rows_sha256") and facts.ended else "not ended yet"),
        ("versions", versions),
    ]
    return [
        "From the run's folder; with its journal no answer is bought again, and the rows are the same:",
        _fenced("sdspec run spec.yaml", "bash"),
        _table(("", ""), lines),
    ]


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [titles, ["---"] * len(titles), *([_cell(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    """A code span of one line; nothing in it is Markdown or HTML."""
    line = " ".join(text.split())
    ticks = "`" * (_longest_ticks(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}" if line else ""


def _plain(text: str) -> str:
    """One line of text as it is read: nothing in it is Markdown or HTML."""
    return re.sub(r"([\\`*\[\]<>])", r"\\\1", " ".join(text.split()))


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _fenced(text: str, language: str = "") -> str:
    fence = "`" * max(3, _longest_ticks(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _json(text: str) -> str:
    return orjson.dumps(text).decode()
