"""What has failed at an endpoint, or was turned away, since its last answer; and for how long nothing has succeeded."""

from __future__ import annotations

FEW = 3
"""Calls that may fail at the same time without that being an outage."""


class Streak:
    """Failures with no answer between them; each answer begins a new one. The caller says what time it is."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()
        """Of the asks that failed."""
        self.longest_s = 0.0
        """The longest time that one of them took."""
        self._count = 0
        self._began: float | None = None
        self._excused_s = 0.0

    def add(self, key: bytes, took_s: float, now: float) -> None:
        """One more."""
        self.keys.add(key)
        self.longest_s = max(self.longest_s, took_s)
        self._count += 1
        self._began = now if self._began is None else self._began

    def waited(self, since: float, now: float) -> None:
        """From then on calls have waited for their minute: nothing could succeed meanwhile."""
        if self._began is not None:
            self._excused_s += now - max(since, self._began)

    def lasts_s(self, now: float) -> float:
        """How long nothing has succeeded.

        A minute that was waited for is no outage; but once call after call has failed, waiting excuses nothing.
        """
        if self._began is None:
            return 0.0
        return now - self._began - (0.0 if self._count > FEW else self._excused_s)
