"""Which layer wins, and what a switch drops."""

from __future__ import annotations

import pytest

from tests.spec.conftest import Project

BEDROCK = """
    name: orders
    provider: {region: eu-west-1}
    workflow: {size: 7}
"""


def test_body_over_options_over_root(project: Project):
    """Overrides win over the spec's body, the body over the options."""
    name = project.spec("name: orders\nmodel: {temperature: 0.2, top_p: 0.9}\nworkflow: {size: 7}\n")
    spec = project.right(name, "model.temperature=0.5")
    assert (0.5, 0.9, 256) == (spec.config.model.temperature, spec.config.model.top_p, spec.config.model.max_tokens)
    assert ("orders", 7, "custom") == (spec.config.name, spec.config.workflow.size, spec.choices["template"])


def test_without_defaults_list(project: Project):
    """A spec that names nothing to start from starts from the packaged root."""
    project.write("specs/x.yaml", "name: bare\n")
    assert "bare" == project.right("x", "template=custom").config.name


def test_specs_outside_of_specs(project: Project):
    """A spec may lie in any folder, whatever other folders lie beside it."""
    project.spec("workflow: {size: 7}\n")
    path = project.write("else/where/my spec.v2.yml", (project.path / "specs/x.yaml").read_text())
    project.write("else/where/name/notes.yaml", "a: 1")
    project.write("else/where/export/train.jsonl", "{}")
    for target in ("else/where/my spec.v2.yml", str(path)):
        spec = project.right(target, "name=other", "export=parquet")
        assert (7, "other") == (spec.config.workflow.size, spec.config.name)


def test_own_options(project: Project):
    """A team's ./conf and the spec's folder add and replace options; the packaged ones stay."""
    project.write("conf/model/house.yaml", "id: house-7b\nmax_tokens: 99\n")
    project.write("specs/model/desk.yaml", "id: desk\n")
    name = project.spec("name: a\n", "  - override /model: house")
    model = project.right(name).config.model
    assert ("house-7b", 99) == (model.id, model.max_tokens)
    assert "desk" == project.right(name, "model=desk").config.model.id
    assert "smollm2-135m-instruct" == project.right(name, "model=smollm2").config.model.id


def test_a_further_model(project: Project):
    """An option can be put at another key: `/model@models.judge: house`."""
    project.write("conf/model/house.yaml", "id: house-7b\n")
    name = "x"
    project.write(
        "specs/x.yaml",
        "defaults:\n  - /sdspec\n  - /model@models.judge: house\n  - override /template: custom\n  - _self_\n"
        "models: {judge: {temperature: 0}}\n",
    )
    judge = project.right(name).config.models["judge"]
    assert ("house-7b", 0.0) == (judge.id, judge.temperature)
    assert "smollm2" == project.right(name, "model@models.judge=smollm2").choices["model@models.judge"]
    assert "smollm2-135m-instruct" == project.right(name, "+model@models.second=smollm2").config.models["second"].id


def test_switched_group_drops_the_body(project: Project):
    """A spec for bedrock runs on another provider: the body's keys for bedrock go, with a note."""
    name = project.spec(BEDROCK, "  - override /provider: bedrock")
    assert {"region": "eu-west-1"}.items() <= project.right(name).config.provider.options.items()
    spec = project.right(name, "provider=fake")
    assert ("fake", None, 7) == (
        spec.config.provider.kind,
        spec.config.provider.options.get("region"),
        spec.config.workflow.size,
    )
    assert ["provider: 'fake' is chosen; dropped from specs/x.yaml:7:1: provider.region."] == list(spec.notes)


def test_switched_group_where_the_body_names_the_kind(project: Project):
    """A provider that the body alone chose gives way to the command line, even to the root's default."""
    name = project.spec("provider: {kind: bedrock, region: eu-west-1}\n")
    assert "bedrock" == project.right(name).config.provider.kind
    for option in ("fake", "local"):
        spec = project.right(name, f"provider={option}")
        assert (option, None) == (spec.config.provider.kind, spec.config.provider.options.get("region"))
        assert any("provider.region" in note for note in spec.notes)


def test_same_option_drops_nothing(project: Project):
    """Choosing again what is chosen changes nothing."""
    name = project.spec(BEDROCK, "  - override /provider: bedrock")
    spec = project.right(name, "provider=bedrock")
    assert ("eu-west-1", ()) == (spec.config.provider.options["region"], spec.notes)


def test_one_more_export_drops_nothing(project: Project):
    """A list of options that still has the old one keeps the body's keys for it."""
    name = project.spec("export: {train: {packer: messages}}\n")
    spec = project.right(name, "export=[jsonl,parquet]")
    assert ("messages", {"train", "table"}) == (spec.config.export["train"].packer.kind, set(spec.config.export))
    assert "prompt_completion" != project.right(name, "export=parquet").config.export["table"].packer.kind


def test_spec_on_a_spec(project: Project):
    """A spec that builds on another one and switches a group drops the lower one's keys and keeps its own."""
    project.spec(BEDROCK, "  - override /provider: bedrock", name="lower")
    project.write(
        "specs/upper.yaml",
        "defaults: [lower, override /provider: fake, _self_]\nprovider: {latency_s: 0.5}\n",
    )
    spec = project.right("upper")
    options = spec.config.provider.options
    assert ("fake", 0.5, None) == (spec.config.provider.kind, options["latency_s"], options.get("region"))
    assert "orders" == spec.config.name


def test_another_kind_replaces_the_node(project: Project):
    """Another kind replaces, with a note that names what is lost; the same kind or none merges."""
    name = project.spec("provider: {kind: fake, latency_s: 1}\n")
    spec = project.right(name)
    assert {"latency_s": 1} == spec.config.provider.options
    assert "provider: kind 'fake' (specs/x.yaml:6:12) replaces 'local'; dropped: provider.limits." in spec.notes
    name = project.spec("provider: {kind: local, limits: {rpm: 5}}\n")
    spec = project.right(name, "provider.limits.concurrency=3")
    assert ({"rpm": 5, "itpm": None, "otpm": None, "concurrency": 3}, ()) == (
        spec.config.provider.options["limits"],
        spec.notes,
    )


def test_kind_by_override(project: Project):
    """An override of the kind drops the old kind's keys, wherever it stands on the command line."""
    name = project.spec("provider: {kind: bedrock, region: eu-west-1}\n")
    for order in (1, -1):
        spec = project.right(name, *["provider.latency_s=1", "provider.kind=fake"][::order])
        assert {"latency_s": 1} == spec.config.provider.options


def test_kind_of_nodes_in_lists_and_by_name(project: Project):
    """Checks in a list, parsers and packers named by a text: the same rules."""
    name = project.spec(
        "template:\n  checks: [{kind: sql, column: answer, dialect: sqlite}]\n  parse: {kind: regex, pattern: x}\n"
    )
    spec = project.right(name, "template.checks.0.kind=python", "template.parse=raw", "export.train.packer.columns=[a]")
    assert ("python", {}) == (spec.config.template.checks[0].kind, spec.config.template.checks[0].options)
    assert ("raw", {}) == (spec.config.template.parse.kind, spec.config.template.parse.options)
    packer = spec.config.export["train"].packer
    assert ("prompt_completion", {"columns": ["a"]}) == (packer.kind, packer.options)
    assert {"column": "question"}.items() <= project.right(
        name, "template.checks.0.column=question"
    ).config.template.checks[0].options.items()


def test_output_lists_and_variables_are_replaced(project: Project):
    """Output, its fake answers, lists and the value of a variable are replaced as a whole; variables join."""
    project.write(
        "conf/template/mine.yaml",
        "prompt: p\noutput: {a: str, b: int}\nfake: {a: x, b: '1'}\nseeds: [one, two]\n"
        "variables: {style: {choice: [x, y]}, kept: 1}\n",
    )
    name = project.spec(
        "template: {output: {c: str}, fake: {c: z}, seeds: [three], variables: {style: {range: [1, 2]}, kind: k}}\n"
    )
    template = project.right(name, "template=mine").config.template
    assert {"a": "str", "b": "int"} == template.output
    project.write(
        "specs/x.yaml", (project.path / "specs/x.yaml").read_text().replace("/template: custom", "/template: mine")
    )
    template = project.right(name, "template.output.kind=str", "template.variables.kind=other").config.template
    assert ({"c": "str", "kind": "str"}, {"c": "z"}) == (template.output, template.fake)
    assert (("three",), {"range": [1, 2]}) == (template.seeds, template.variables["style"])
    assert {"kept": 1, "kind": "other"}.items() <= template.variables.items()


def test_dedup_is_replaced(project: Project):
    """A dedup that names its kind replaces the lower one, even one of the same kind."""
    project.write("conf/workflow/mine.yaml", "kind: sft\nsize: 5\ndedup: {kind: exact, columns: [a], note: low}\n")
    body = "workflow: {dedup: %s}\n"
    name = project.spec(body % "{kind: exact, columns: [b]}", "  - override /workflow: mine")
    dedup = project.right(name).config.workflow.dedup
    assert dedup is not None
    assert {"columns": ["b"]} == dedup.options
    name = project.spec(body % "{columns: [b]}", "  - override /workflow: mine")
    dedup = project.right(name, "workflow.dedup.kind=exact").config.workflow.dedup
    assert dedup is not None
    assert {"columns": ["b"], "note": "low"} == dedup.options
    assert project.right(name, "workflow.dedup=null").config.workflow.dedup is None


def test_size_per_seed_takes_the_place_of_size(project: Project):
    """Of two keys that exclude each other the higher layer's one stays; the loss of a packaged default is no news."""
    name = project.spec("workflow: {size_per_seed: 3}\n")
    spec = project.right(name)
    assert (None, 3, ()) == (spec.config.workflow.size, spec.config.workflow.size_per_seed, spec.notes)
    spec = project.right(name, "workflow.size=9")
    assert (9, None) == (spec.config.workflow.size, spec.config.workflow.size_per_seed)
    assert ("workflow.size (override 'workflow.size=9') takes the place of workflow.size_per_seed.",) == spec.notes


@pytest.mark.parametrize("override", ["evaluation=null", "evaluation=none"])
def test_null_evaluation(project: Project, override: str):
    """No evaluation is null, by option or by value."""
    name = project.spec("evaluation: {quality: {kind: custom}}\n")
    assert {"quality"} == set(project.right(name).config.evaluation or {})
    assert project.right(name, override).config.evaluation is None


def test_add_force_and_delete(project: Project):
    """+ adds what is not there, ++ sets in any case, ~ takes away, as in Hydra; known keys need no +."""
    name = project.spec("model: {top_k: 5}\n")
    spec = project.right(name, "~model.top_k", "+template.variables.tone=dry", "++name=forced", "model.stop=[END]")
    assert (None, "forced", ("END",)) == (spec.config.model.top_k, spec.config.name, spec.config.model.stop)
    assert "dry" == spec.config.template.variables["tone"]


def test_replace(project: Project):
    """`_replace_: true` makes each top-level node stand alone, and a group can still be chosen over it."""
    project.write(
        "run/spec.yaml",
        """\
        defaults: [/sdspec, _self_]
        _replace_: true
        name: again
        provider: {kind: bedrock, region: eu-west-1}
        model: {id: m}
        template: {prompt: p, output: {a: str}, seeds: [s]}
        workflow: {size: 3}
        export: {}
        """,
    )
    spec = project.right("run/spec.yaml")
    assert ({"region": "eu-west-1"}, {}, None) == (
        spec.config.provider.options,
        spec.config.export,
        spec.config.template.fake,
    )
    assert {"id": "m"} == spec.raw["model"]
    assert "_replace_" not in spec.raw
    spec = project.right("run/spec.yaml", "provider=local", "workflow.size=4", "model.temperature=0.1")
    assert ("local", 4, 0.1) == (spec.config.provider.kind, spec.config.workflow.size, spec.config.model.temperature)
    assert "region" not in spec.config.provider.options
    assert "smollm2-135m-instruct" == project.right("run/spec.yaml", "model=smollm2").config.model.id
