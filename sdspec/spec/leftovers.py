"""Takes out what a template option brings for its own prompt and columns, where a spec on it writes others.

A template's examples, fake answers and drawn variables belong to its prompt and its columns. A spec that starts from
conf/template/custom.yaml with a prompt or with columns of its own need not take them away by hand.

| the spec writes its own | and these of the layers below are left out                                             |
|-------------------------|----------------------------------------------------------------------------------------|
| output, other columns   | examples, fake                                                                         |
| prompt                  | examples that it does not show; drawn variables of which nothing speaks                |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sdspec.prompts import TextError, compile_text
from sdspec.spec.find import packaged_conf
from sdspec.spec.settings import Dropped, Setting, find, put, walk
from sdspec.spec.spec import Key

Left = Callable[[Setting], Iterator[Key]]
"""Keys of a tree that go, if a lower layer set them."""

DRAWN = ({"choice"}, {"range"})
"""Keys of a variable that is drawn for each row, and so is a column of every row."""

FREE = ("variables", "seeds", "examples")
"""Keys of the template whose texts are no use of a variable."""


def clear(tree: Setting, spec: str, note: Callable[[str], None], drop: Callable[[Dropped], None]) -> Setting:
    """The tree without leftovers; `spec` is the name of the spec's own file.

    What the spec itself or the command line sets stays: that it is of no use is a mistake, and is reported as one.
    """
    for cause, left in LEFT.items():
        above = find(tree, ("template", cause))
        if above is None:
            continue
        gone = [
            Dropped(key, found, f"template.{cause} takes another's place")
            for key in left(tree)
            if (found := find(tree, key)) is not None and _is_below(found, above, spec)
        ]
        for one in gone:
            drop(one)
            tree = put(tree, one.key, None)
        # what the package brings is no news (`explain` shows it all the same), nor a variable of which nothing speaks
        if names := [str(one.key[-1]) for one in gone if one.key[1] != "variables" and not is_packaged(one.setting)]:
            origin = above.places[-1].origin
            note(f"template.{cause} ({origin}) takes another's place; left out with that: {', '.join(names)}.")
    return tree


def _is_below(found: Setting, above: Setting, spec: str) -> bool:
    place = found.places[-1]
    own = place.origin.override is not None or place.origin.file == spec
    return not own and place.layer < above.places[-1].layer


def is_packaged(setting: Setting) -> bool:
    """The package's own conf set it, and nothing above."""
    return setting.places[-1].folder.resolve().is_relative_to(packaged_conf())


def _of_other_columns(tree: Setting) -> Iterator[Key]:
    output = find(tree, ("template", "output"))
    for key in (("template", "examples"), ("template", "fake")):
        found, made_for = find(tree, key), output
        while found is not None and made_for is not None and made_for.places[-1].layer > found.places[-1].layer:
            made_for = made_for.below
        if output is not None and made_for is not None and _columns(output) != _columns(made_for):
            yield key


def _columns(output: Setting) -> set[Any]:
    properties = find(output, ("properties",))
    return set((properties or output).mapping)


def _unshown(tree: Setting) -> Iterator[Key]:
    texts = [found.value for key in ("prompt", "system") if (found := find(tree, ("template", key))) is not None]
    try:
        shown = frozenset[str]().union(*(compile_text(text).variables for text in texts if isinstance(text, str)))
    except TextError:  # reported by a later check; what it would have shown is not known
        return
    if "examples" not in shown:
        yield ("template", "examples")
        yield ("template", "examples_file")
    variables = find(tree, ("template", "variables"))
    spoken = {word for text in _texts(tree) for word in re.findall(r"\w+", text)}
    for name, variable in variables.mapping.items() if variables is not None else ():
        if set(variable.mapping) in DRAWN and name not in spoken:
            yield ("template", "variables", name)


def _texts(tree: Setting) -> Iterator[str]:
    """Every text that may speak of a variable."""
    for key, setting in walk(tree):
        free = key[:1] == ("template",) and key[1:2] and key[1] in FREE
        if isinstance(setting.value, str) and not free:
            yield setting.value


LEFT: Mapping[str, Left] = {"output": _of_other_columns, "prompt": _unshown}
"""What the spec writes anew -> what then goes; in this order."""
