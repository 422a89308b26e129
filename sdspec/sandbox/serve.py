"""A small process that forks for another one: reads requests from stdin, writes how each ended, ends when stdin does.

A request is a pickle of (code, limits, isolation, folder for its folder), an answer one of `Ended`, or of why the code
was not started. Who asks sends nothing while it waits: where stdin has an end then, nobody waits any more.
"""

from __future__ import annotations

import os
import pickle
import select
import sys

from sdspec.sandbox.forked import NobodyWaitsError, NotStartedError, execute_here


def main() -> None:
    """Serves until its parent closes stdin, or is gone; nothing is left of what ran for it."""
    parent = os.getppid()

    def awaited() -> bool:
        # a forked sibling may hold stdin open after the parent was killed
        return os.getppid() == parent and not select.select([sys.stdin], [], [], 0)[0]

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            code, limits, isolation, below = pickle.load(sys.stdin.buffer)  # noqa: S301  # from our parent
        except (EOFError, pickle.UnpicklingError):  # the second one: it was killed while it wrote
            return
        try:
            answer: object = execute_here(code, limits, isolation, below, awaited)
        except NotStartedError as refused:
            answer = str(refused)
        except NobodyWaitsError:
            return
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)


if __name__ == "__main__":
    main()
