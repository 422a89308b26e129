"""How far code is kept apart from this machine: what was found to work here, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

FOLDER_MB = 64
"""All files together, where the folder is a file system of its own."""
FILE_MB = 16
"""Each file."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """Which mechanisms hold; the limits on time, memory, open files and file size hold always."""

    namespaces: bool
    """User, network, process, mount and IPC namespaces."""
    landlock: bool
    seccomp: bool

    def words(self) -> str:
        """`network: cut off (...); files: ...; processes: ...`, then what is open, if anything is."""
        held = {
            "network": self._by(namespace="cut off (network namespace", seccomp="cut off (seccomp"),
            "files": self._files(),
            "processes": self._by(namespace="its own alone (process namespace", seccomp="its own alone (seccomp"),
        }
        said = [f"{what}: {how}" for what, how in held.items() if how]
        free = [what for what, how in held.items() if not how]
        return "; ".join(said + ([f"not isolated: {', '.join(free)}"] if free else []))

    def _by(self, namespace: str, seccomp: str) -> str:
        if self.namespaces:
            return f"{namespace}{', seccomp' if self.seccomp else ''})"
        return f"{seccomp})" if self.seccomp else ""

    def _files(self) -> str:
        if not self.landlock:
            return ""
        room = f"{FOLDER_MB} MB in all" if self.namespaces else f"{FILE_MB} MB a file"
        return f"Python's can be read, and an empty folder written, {room} (landlock)"
