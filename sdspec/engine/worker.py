"""A worker process: reads checks and values from stdin, writes verdicts to stdout, ends when stdin does.

Frames in both directions are four bytes of length, big-endian, and a pickle.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys

LENGTH_BYTES = 4


def frame(data: bytes) -> bytes:
    """The data with its length before it."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def main() -> None:
    """Serves until the parent closes stdin, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what stops
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a check prints must not get between the frames
    while head := sys.stdin.buffer.read(LENGTH_BYTES):
        check, value = pickle.loads(sys.stdin.buffer.read(int.from_bytes(head, "big")))  # noqa: S301  # from our parent
        answers.write(frame(pickle.dumps(check.examine(value))))
        answers.flush()


if __name__ == "__main__":
    main()
