"""What decides a check's verdict, and so under which key the journal holds it."""

from __future__ import annotations

import hashlib
from typing import Any

from sdspec.contracts import Check
from sdspec.plan.plan import kind_of
from sdspec.rows import canonical


def verdict_key(check: Check, value: Any) -> bytes:
    """32 bytes: SHA-256 over the check with its settings, and the value that it examines."""
    return hashlib.sha256(canonical([kind_of(check), check.version, check.deciding(), value])).digest()
