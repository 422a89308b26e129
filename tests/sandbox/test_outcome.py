"""How a process ended becomes one word and a sentence that does not differ from run to run."""

import pytest

from sdspec.sandbox.child import Limits
from sdspec.sandbox.execute import execute
from sdspec.sandbox.forked import Ended
from sdspec.sandbox.isolation import Isolation
from sdspec.sandbox.outcome import Failure, failure

LIMITS = Limits(timeout_s=20.5, memory_mb=512)
BARE = Isolation(namespaces=False, landlock=False, seccomp=False)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = 1\n\nprint(x.y)", "error: AttributeError: 'int' object has no attribute 'y' (line 3)"),
        ("def f():\n    raise KeyError('k')\n\nf()", "error: KeyError: 'k' (line 2)"),
        (
            "import enum\n\nenum.unique(1)",
            "error: AttributeError: 'int' object has no attribute '__members__' (line 3)",
        ),
        ("try:\n    1 / 0\nexcept Exception as e:\n    raise OSError('a\\nb') from e", "error: OSError: a (line 4)"),
        ("raise ExceptionGroup('some', [KeyError(2)])", "error: ExceptionGroup: some (1 sub-exception)"),
        ("assert False", "error: AssertionError (line 1)"),
        ("def f(): f()\n\nf()", "error: RecursionError: maximum recursion depth exceeded (line 1)"),
        ("input()", "error: EOFError: EOF when reading a line (line 1)"),
        ("raise MemoryError", "memory: needs more than 512 MB"),
        ("import sys\nsys.exit(3)", "exit: exit status 3"),
        ("import sys\nsys.exit('no input')", "exit: exit status 1: no input"),
        ("import ctypes\nctypes.string_at(0)", "exit: ended by signal 11 (Segmentation fault)"),
        ("import sys\nsys.exit(0)", "none"),
        ("print('x')", "none"),
        ("", "none"),
    ],
)
def test_ends(code, expected):
    """The exception with the line of the code that led to it, the exit status, or the signal."""
    found = failure(execute(code.encode(), LIMITS, BARE), LIMITS)
    assert expected == (f"{found.reason}: {found.detail}" if found else "none")


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (Ended(-9, True, 0.0, b"", b""), Failure("timeout", "took more than 20.5 s")),
        (Ended(-24, False, 21.0, b"", b""), Failure("timeout", "took more than 20.5 s")),  # SIGXCPU
        (Ended(-9, False, 22.0, b"", b""), Failure("timeout", "took more than 20.5 s")),
        (Ended(-9, False, 0.1, b"", b""), Failure("exit", "ended by signal 9 (Killed)")),
        (Ended(-63, False, 0.1, b"", b""), Failure("exit", "ended by signal 63 (Real-time signal 29)")),
    ],
)
def test_signals(ended, expected):
    """A signal means time where the time was used up, by the clock or by the processor."""
    assert expected == failure(ended, LIMITS)
