"""Name -> part class, by file name, imported only when asked for; packages outside join by entry points.

A package outside adds a part with an entry point in the group `sdspec.<shelf>`, e.g. `sdspec.checks`, whose name is the
kind and whose value is the class.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from sdspec.contracts import Block, Check, Dedup, Parser, Part, Provider
from sdspec.dataset import Exporter, Packer

SHELVES: dict[str, type[Part]] = {
    "providers": Provider,
    "parsers": Parser,
    "blocks": Block,
    "checks": Check,
    "dedups": Dedup,
    "packers": Packer,
    "exporters": Exporter,
}


@cache
def _outside() -> dict[str, dict[str, EntryPoint]]:
    """Shelf -> kind -> entry point, found at once: looking opens a file of each installed package."""
    every = entry_points()
    return {shelf: {point.name: point for point in every.select(group=f"sdspec.{shelf}")} for shelf in SHELVES}


@cache
def kinds(shelf: str) -> tuple[str, ...]:
    """The kinds on a shelf, sorted; nothing on it is imported."""
    package = importlib.import_module(f"sdspec.{shelf}")
    own = (module.name for module in pkgutil.iter_modules(package.__path__))
    return tuple(sorted({*own, *_outside()[shelf]}))


@cache
def find(shelf: str, kind: str) -> type[Part]:
    """The class of a part; raises KeyError for a kind that is not on the shelf."""
    contract = SHELVES[shelf]
    if kind in _outside()[shelf]:
        outside: type[Part] = _outside()[shelf][kind].load()
        return outside
    if kind not in kinds(shelf):
        raise KeyError(kind)
    module = importlib.import_module(f"sdspec.{shelf}.{kind}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, contract) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"sdspec/{shelf}/{kind}.py must hold one {contract.__name__}, and holds {len(found)}")
    return found[0]
