"""sdspec: declarative specs, kept in git, compiled into synthetic datasets. The Python surface is `sdspec.api`."""

from typing import Any

__all__ = [
    "arun",
    "changes",
    "check",
    "compile",
    "doctor",
    "explain",
    "export",
    "load",
    "models",
    "open_run",
    "resume",
    "run",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """`sdspec.load` and its kin, imported when first used, so that `import sdspec` costs nothing."""
    if name in __all__:
        from sdspec import api

        return getattr(api, name)
    raise AttributeError(f"module 'sdspec' has no attribute {name!r}")
