"""What a spec may say, as frozen pydantic models that refuse unknown keys.

A part (`kind` and its own keys) stays a `PartSpec` here: a compile pass binds it to its class. Descriptions are what
`sdspec schema` shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Node(BaseModel):
    """A mapping of the spec: unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PartSpec(BaseModel):
    """A part by name: `kind` and the part's own keys, which a compile pass checks against its class."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(description="Which part; its other keys are the part's settings.")

    @property
    def options(self) -> dict[str, Any]:
        """The part's own keys."""
        return dict(self.model_extra or {})


class ModelSpec(Node):
    """A model and how it samples. null leaves a setting to the provider."""

    id: str = Field(description="The id that the provider knows the model by.")
    provider: str | None = Field(
        default=None, description="A name under `providers:`; null is the spec's own provider."
    )
    path: str | None = Field(default=None, description="A GGUF file, for provider `local` only.")
    temperature: float | None = Field(default=0.7, ge=0, le=2, description="0 always takes the likeliest token.")
    top_p: float | None = Field(
        default=1.0, gt=0, le=1, description="Sample among the likeliest tokens of this total mass."
    )
    top_k: int | None = Field(default=None, ge=1, description="Sample among this many likeliest tokens.")
    max_tokens: int | None = Field(default=1024, ge=1, description="Longest answer, in tokens.")
    stop: tuple[str, ...] = Field(default=(), description="Texts that end an answer.")


class TemplateSpec(Node):
    """What is asked, with what it is varied, and what an answer must look like."""

    system: str | None = Field(default=None, description="System message (Jinja).")
    prompt: str = Field(description="The prompt (Jinja): {{ examples }}, {{ seed }}, any variable.")
    seeds: tuple[str, ...] = Field(default=(), description="Topics that the prompt is varied with.")
    seeds_file: str | None = Field(default=None, description="Seeds from a file: one per line, or a JSON list.")
    examples: tuple[Mapping[str, Any], ...] = Field(
        default=(), description="Few-shot examples: the output columns of each."
    )
    examples_file: str | None = Field(default=None, description="Examples from a file: a JSON list or JSON lines.")
    examples_per_row: int | None = Field(
        default=None, ge=0, description="Draw this many examples per row; null shows all."
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
    dedup: PartSpec | None = Field(default=None, description="Which repeats are refused; null keeps all.")
    max_attempts: int | None = Field(default=None, ge=1, description="Rows attempted in all; null is 10 x size.")
    reasks: int = Field(default=2, ge=0, description="How often an answer that cannot be parsed is asked for again.")


class ExportSpec(Node):
    """One exported dataset."""

    format: str = Field(default="jsonl", description="File format: jsonl, parquet.")
    packer: PartSpec = Field(default=PartSpec(kind="raw"), description="Layout of an example.")

    @model_validator(mode="before")
    @classmethod
    def _packer_by_name(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("packer"), str):
            return {**data, "packer": {"kind": data["packer"]}}
        return data


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


class SpecConfig(Node):
    """A whole spec."""

    name: str = Field(
        default="dataset", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Folder name under outputs/."
    )
    seed: int = Field(default=0, ge=0, description="Random seed: every draw derives from it.")
    provider: PartSpec = Field(description="The model provider.")
    model: ModelSpec = Field(description="The model.")
    providers: Mapping[str, PartSpec] = Field(default_factory=dict, description="Further named providers.")
    models: Mapping[str, ModelSpec] = Field(default_factory=dict, description="Further named models.")
    template: TemplateSpec = Field(description="What is asked.")
    workflow: WorkflowSpec = Field(description="How rows are made.")
    evaluation: Mapping[str, PartSpec] | None = Field(default=None, description="Judges, by name; null judges nothing.")
    export: Mapping[str, ExportSpec] = Field(default_factory=dict, description="Datasets to write, by name.")
    engine: EngineSpec = Field(default=EngineSpec(), description="How the plan is run.")
