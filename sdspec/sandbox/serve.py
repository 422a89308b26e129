"""A small process that forks for another one: reads requests from stdin, writes how each ended, ends when stdin does.

A request is a pickle of (code, limits, isolation, folder for its folder), an answer one of `Ended`, or of why the code
was not started.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys

from sdspec.sandbox import kernel
from sdspec.sandbox.forked import NotStartedError, execute_here


def main() -> None:
    """Serves until its parent closes stdin, or is gone."""
    if kernel.LINUX:
        kernel.die_with_parent(signal.SIGKILL)  # and its children with it
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our parent
        except EOFError:
            return
        try:
            answer: object = execute_here(*request)
        except NotStartedError as refused:
            answer = str(refused)
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
