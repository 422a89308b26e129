"""Keys of which a spec sets one: the higher layer's choice drops the lower layer's other one."""

from __future__ import annotations

from collections.abc import Callable

from sdspec.spec.finding import OVERRIDES, Finding
from sdspec.spec.leftovers import is_packaged
from sdspec.spec.settings import Dropped, Setting, find, put
from sdspec.spec.spec import Key, dotted

PAIRS: tuple[tuple[Key, Key], ...] = (
    (("workflow", "size"), ("workflow", "size_per_seed")),
    (("template", "seeds"), ("template", "seeds_file")),
    (("template", "examples"), ("template", "examples_file")),
)


def settle(
    tree: Setting, note: Callable[[str], None], drop: Callable[[Dropped], None]
) -> tuple[Setting, list[Finding]]:
    """The tree with at most one key of each pair, and a finding where one file sets both.

    That a packaged default gives way is no news; `explain` shows it all the same.
    """
    findings = []
    for first, second in PAIRS:
        a, b = find(tree, first), find(tree, second)
        if a is None or b is None or a.value in (None, []) or b.value in (None, []):
            continue
        (lost, lower), (kept, higher) = sorted(((first, a), (second, b)), key=lambda pair: _height(pair[1]))
        if _layer(lower) == _layer(higher):
            what = f"{dotted(kept)}: set together with '{lost[-1]}' ({lower.places[-1].origin})."
            findings.append(Finding(higher.places[-1].origin, what, "Keep one of the two.", kept))
        elif not is_packaged(lower):
            note(f"{dotted(kept)} ({higher.places[-1].origin}) takes the place of {dotted(lost)}.")
        drop(Dropped(lost, lower, f"{dotted(kept)} takes its place"))
        tree = put(tree, lost, None)
    return tree, findings


def _layer(setting: Setting) -> int:
    """The command line is one layer, however many overrides it has."""
    return min(setting.places[-1].layer, OVERRIDES)


def _height(setting: Setting) -> tuple[int, int, int]:
    place = setting.places[-1]
    return place.layer, place.origin.line, place.origin.column
