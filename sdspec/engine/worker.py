"""A worker process: reads checks and values from stdin, writes verdicts to stdout, ends when stdin does, or at SIGTERM.

Frames in both directions are four bytes of length, big-endian, and a pickle: a check and its values, an `Answer`.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from types import FrameType

from sdspec.contracts import Verdict
from sdspec.errors import SdspecError

LENGTH_BYTES = 4

Answer = list[Verdict] | SdspecError
"""A verdict for each value in order, or what is wrong with the check itself; any other error ends the process."""


def frame(data: bytes) -> bytes:
    """The data with its length before it."""
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def main() -> None:
    """Serves until the parent closes stdin, or is gone."""
    signal.signal(signal.SIGTERM, _end)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a check prints must not get between the frames
    while head := sys.stdin.buffer.read(LENGTH_BYTES):
        check, values = pickle.loads(sys.stdin.buffer.read(int.from_bytes(head, "big")))  # noqa: S301  # our parent's
        answer: Answer
        try:
            answer = check.examine_many(values)
        except SdspecError as wrong:
            answer = wrong
        try:
            answers.write(frame(pickle.dumps(answer)))
            answers.flush()
        except BrokenPipeError:  # the parent was killed meanwhile
            os._exit(0)


def _end(signum: int, frame: FrameType | None) -> None:
    """Folders and processes that a check has made are taken away on the way out."""
    raise SystemExit


if __name__ == "__main__":
    main()
