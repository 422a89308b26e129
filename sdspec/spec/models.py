"""What a spec may say, as frozen pydantic models that refuse unknown keys.

A part (`kind` and its own keys) stays a `PartSpec` here: a compile pass binds it to its class. Descriptions are what
`sdspec schema` shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""A dataset's name, which is a folder's."""


class Node(BaseModel):
    """A mapping of the spec: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class PartSpec(BaseModel):
    """A part by name: `kind` and the part's own keys, which a compile pass checks against its class."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(description="Which part; its other keys are the part's settings.")

    @property
    def options(self) -> dict[str, Any]:
        """The part's own keys."""
        return dict(self.model_extra or {})


class PriceSpec(Node):
    """What a model's tokens cost, in USD per million of them. Decides no row."""

    input: float = Field(ge=0, description="USD per million input tokens.")
    output: float = Field(ge=0, description="USD per million output tokens, reasoning included.")
    cached_input: float | None = Field(
        default=None, ge=0, description="USD per million input tokens read from the prompt cache; null: as `input`."
    )
    cache_write: float | None = Field(
        default=None, ge=0, description="USD per million input tokens written to the prompt cache; null: as `input`."
    )


class ModelSpec(Node):
    """A model and how it samples. null leaves a setting to the provider."""

    id: str = Field(min_length=1, description="The id that the provider knows the model by.")
    provider: str | None = Field(
        default=None, description="A name under `providers:`; null is the spec's own provider."
    )
    path: str | None = Field(default=None, description="A GGUF file, for provider `local` only.")
    base_model: str | None = Field(
        default=None,
        description="The model behind an id that hides it (a provisioned throughput, an application inference profile, "
        "an Azure deployment): says which settings it takes, its window and its price.",
    )
    context: int | None = Field(
        default=None,
        ge=64,
        description="Tokens that a prompt and its answer may have together; null: as the price map says, if it does.",
    )
    temperature: float | None = Field(default=0.7, ge=0, le=2, description="0 always takes the likeliest token.")
    top_p: float | None = Field(
        default=1.0, gt=0, le=1, description="Sample among the likeliest tokens of this total mass."
    )
    top_k: int | None = Field(default=None, ge=1, description="Sample among this many likeliest tokens.")
    max_tokens: int | None = Field(default=1024, ge=1, description="Longest answer, in tokens.")
    stop: tuple[str, ...] = Field(default=(), description="Texts that end an answer.")
    price: PriceSpec | None = Field(
        default=None,
        description="USD per million tokens, e.g. {input: 1.0, output: 5.0}; null takes the price map of litellm.",
    )


def _example(value: Any) -> Mapping[str, Any] | str:
    """Says in one error, not in one per member of the union, what an example is."""
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        raise ValueError("a mapping (key: value) or a text is needed")
    if not all(isinstance(name, str) for name in value):
        raise ValueError("the names of its columns must be texts")
    return value


Example = Annotated[Mapping[str, Any] | str, PlainValidator(_example, json_schema_input_type=Mapping[str, Any] | str)]
"""The output columns of a few-shot example; or its text, which style `seed001` shows as it is."""


class TemplateSpec(Node):
    """What is asked, with what it is varied, and what an answer must look like."""

    system: str | None = Field(default=None, description="System message (Jinja).")
    prompt: str = Field(description="The prompt (Jinja): {{ examples }}, {{ seed }}, any variable.")
    seeds: tuple[str, ...] = Field(default=(), description="Topics that the prompt is varied with.")
    seeds_file: str | None = Field(
        default=None, description="Seeds from a file: one per line, a JSON list, JSON lines, or column `seed` of a CSV."
    )
    examples: tuple[Example, ...] = Field(
        default=(), description="Few-shot examples: the output columns of each; in style seed001 also plain texts."
    )
    examples_file: str | None = Field(
        default=None,
        description="Examples from a file: a JSON list, JSON lines, or a CSV whose header names the output columns; "
        "for style seed001 also a .txt, which is one example as it stands.",
    )
    examples_per_row: int | None = Field(
        default=None,
        ge=0,
        description="Draw this many examples per row, or all where there are fewer; null shows all.",
    )
    style: Literal["json", "seed001"] = Field(
        default="json",
        description="json: examples as JSON, and the prompt ends by saying how to answer. seed001: the prompt to the "
        "letter, as in the prompt engineering guide; examples as raw text, and nothing is added.",
    )
    variables: Mapping[str, Any] = Field(
        default_factory=dict,
        description="Values for the prompt. {choice: [...]} or {choice: {value: weight}} is drawn per row, "
        "{range: [low, high]} is a whole number drawn per row.",
    )
    output: Mapping[str, Any] = Field(description="Output columns and their types, or a JSON Schema of an object.")
    parse: PartSpec = Field(default=PartSpec(kind="json"), description="How an answer becomes columns.")
    checks: tuple[PartSpec, ...] = Field(default=(), description="Checks that a row must pass, in order.")
    fake: Mapping[str, Any] | None = Field(
        default=None, description="Jinja answers that provider `fake` gives, per column."
    )

    @model_validator(mode="before")
    @classmethod
    def _parse_by_name(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("parse"), str):
            return {**data, "parse": {"kind": data["parse"]}}
        return data


class WorkflowSpec(Node):
    """How rows are made, how many, and which repeats are refused."""

    kind: str = Field(default="sft", description="sft: prompt and completion pairs, varied by seeds.")
    size: int | None = Field(default=None, ge=1, description="Kept rows in all, spread evenly over the seeds.")
    size_per_seed: int | None = Field(default=None, ge=1, description="Kept rows for each seed; instead of `size`.")
    per_call: int = Field(
        default=1, ge=1, le=100, description="Rows made from one answer; each has its own identity, checks and fate."
    )
    dedup: PartSpec | None = Field(default=None, description="Which repeats are refused; null keeps all.")
    max_attempts: int | None = Field(default=None, ge=1, description="Rows attempted in all; null is 10 x size.")
    reasks: int = Field(default=2, ge=0, description="How often an answer that cannot be parsed is asked for again.")


class ExportSpec(Node):
    """One exported dataset."""

    format: str = Field(
        default="jsonl", description="File format: jsonl, json, csv, parquet, or hf (a folder for load_from_disk)."
    )
    packer: PartSpec = Field(
        default=PartSpec(kind="raw"),
        description="Layout of an example: raw, prompt_completion, messages, alpaca, sharegpt; a name, or a mapping "
        "with `kind` and its keys.",
    )

    @model_validator(mode="before")
    @classmethod
    def _packer_by_name(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("packer"), str):
            return {**data, "packer": {"kind": data["packer"]}}
        return data


class CardSpec(Node):
    """What a dataset card says that only its author knows. Nothing here decides a row."""

    license: str | None = Field(
        default=None, description="License of the dataset, as the Hugging Face hub names it: apache-2.0, cc-by-4.0."
    )
    description: str | None = Field(default=None, description="What the dataset is for, in Markdown.")
    tags: tuple[str, ...] = Field(default=(), description="Tags beside `synthetic` and `sdspec`.")


class EngineSpec(Node):
    """How a plan is run. Nothing here decides a row."""

    concurrency: int = Field(default=64, ge=1, le=4096, description="Calls in flight.")
    timeout_s: float = Field(
        default=120.0, gt=0, description="Longest wait for one answer; waiting for a slot does not count."
    )
    max_tries: int = Field(default=6, ge=1, description="Tries of one call that fails in passing (5xx, timeout).")
    outage_s: float = Field(default=60.0, gt=0, description="Nothing succeeding for this long ends the run, resumable.")
    journal: str | None = Field(
        default=None, description="The call journal's file; null is journal.sqlite below outputs/."
    )
    outputs: str = Field(default="outputs", description="Folder of all run folders.")


WALL = re.compile(r"(?=\d)(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def _seconds(value: Any) -> Any:
    """`1h30m` -> 5400.0; what is no text stays for pydantic to judge."""
    if not isinstance(value, str):
        return value
    found = WALL.fullmatch(value.replace(" ", ""))
    if found is None:
        raise ValueError("seconds are needed, or a text like 90s, 30m, 2h or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str)]


class BudgetSpec(Node):
    """What a run may spend in all, its resumes included. What the journal holds costs nothing. Decides no row."""

    usd: float | None = Field(default=None, ge=0, description="USD that answers may cost; 0 buys nothing.")
    calls: int | None = Field(
        default=None,
        ge=0,
        description="Answers that may be bought, re-asks included; refusals do not count, 0 buys none.",
    )
    tokens: int | None = Field(default=None, ge=0, description="Tokens that answers may take, input and output.")
    wall: Seconds | None = Field(
        default=None, ge=0, description="Time that a run may take, in seconds or as 90s, 30m, 2h, 1h30m."
    )


class SpecConfig(Node):
    """A whole spec."""

    name: str = Field(default="dataset", pattern=NAME, description="Folder name under outputs/.")
    seed: int = Field(default=0, ge=0, description="Random seed: every draw derives from it.")
    provider: PartSpec = Field(description="The model provider.")
    model: ModelSpec = Field(description="The model.")
    providers: Mapping[str, PartSpec] = Field(default_factory=dict, description="Further named providers.")
    models: Mapping[str, ModelSpec] = Field(default_factory=dict, description="Further named models.")
    template: TemplateSpec = Field(description="What is asked.")
    workflow: WorkflowSpec = Field(description="How rows are made.")
    evaluation: Mapping[str, PartSpec] | None = Field(default=None, description="Judges, by name; null judges nothing.")
    export: Mapping[str, ExportSpec] = Field(default_factory=dict, description="Datasets to write, by name.")
    card: CardSpec = Field(default=CardSpec(), description="What the dataset card says beside what it knows itself.")
    engine: EngineSpec = Field(default=EngineSpec(), description="How the plan is run.")
    budget: BudgetSpec = Field(
        default=BudgetSpec(), description="Where a run stops, resumable; of a sweep each run has its own."
    )
