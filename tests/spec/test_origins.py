"""Where each key was set."""

from __future__ import annotations

from sdspec.spec.spec import Key, Spec
from tests.spec.conftest import Project


def chain(spec: Spec, *key: str | int) -> list[str]:
    found: Key = key
    return [str(origin) for origin in spec.origins.chains[found]]


def test_chain_of_a_key(project: Project):
    """Each place that set a key, lowest layer first: option, spec, override."""
    name = project.spec("name: a\nmodel:\n  temperature: 0.2\n")
    spec = project.right(name, "model.temperature=0.5")
    assert [
        "conf/model/smollm2.yaml:4:1",
        "specs/x.yaml:8:3",
        "override 'model.temperature=0.5'",
    ] == chain(spec, "model", "temperature")
    assert ["conf/sdspec.yaml:13:1", "specs/x.yaml:6:1"] == chain(spec, "name")


def test_lists_and_flow_mappings(project: Project):
    """List items and keys in flow style have their own line and column."""
    name = project.spec("template: {seeds: [a,\n  b], output: {q: str}}\n")
    spec = project.right(name)
    assert ["specs/x.yaml:6:20"] == chain(spec, "template", "seeds", 0)
    assert ["specs/x.yaml:7:3"] == chain(spec, "template", "seeds", 1)
    assert ["specs/x.yaml:7:16"] == chain(spec, "template", "output", "q")
    assert ("template", "output", "question") not in spec.origins.chains


def test_packages(project: Project):
    """A key of an option put at another package stands where its file has it."""
    project.write("conf/model/house.yaml", "# the house model\nid: house-7b\n")
    spec = project.right(project.spec("name: a\n"), "+model@models.judge=house")
    assert ["conf/model/house.yaml:2:1"] == chain(spec, "models", "judge", "id")


def test_files_elsewhere(project: Project, tmp_path_factory):
    """A file outside of the current folder is shown with its whole path."""
    path = tmp_path_factory.mktemp("far") / "y.yaml"
    path.write_text("name: far\n")
    spec = project.right(str(path), "template=custom")
    assert f"{path}:1:1" == chain(spec, "name")[-1]


def test_parents_stand_in(project: Project):
    """A key that nobody wrote is located at its nearest parent, or at the spec."""
    spec = project.right(project.spec("workflow: {size: 3}\n"))
    assert "specs/x.yaml:6:1" == spec.origins.where(("workflow", "nothing", "here"))
    assert "specs/x.yaml" == spec.origins.where(("nothing",))


def test_anchors_and_merge_keys(project: Project):
    """YAML anchors and merge keys give values as in YAML; what is written beside a merge key wins."""
    name = project.spec("template:\n  variables:\n    a: &a {x: 1, y: 2}\n    b: {<<: *a, y: 3}\n")
    spec = project.right(name)
    assert {"x": 1, "y": 3} == spec.config.template.variables["b"]
    assert ["specs/x.yaml:9:17"] == chain(spec, "template", "variables", "b", "y")
