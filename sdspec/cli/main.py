"""The command line: words -> verb, and what is wrong -> exit code. Nothing heavy is imported before a verb needs it.

Exit codes: 0 done, 1 the run failed, 2 the spec or command line is wrong, 3 stopped at a budget or with fewer rows than
wanted, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from sdspec.cli.problems import print_problems, tell
from sdspec.cli.verbs import Lines, add_verbs
from sdspec.errors import Problem, SdspecError, SpecError, did_you_mean

EXAMPLES = """\
examples:
  sdspec new bridges --template custom
  sdspec check bridges
  sdspec preview bridges
  sdspec plan bridges model.temperature=0.2
  sdspec run bridges provider=fake workflow.size=20
  sdspec run bridges -m model.temperature=0.2,0.7
  sdspec show last

`sdspec COMMAND --help` says more.
exit codes: 0 done, 1 failed, 2 the spec or command line is wrong, 3 fewer rows than wanted, 130 interrupted
"""


THRESHOLDS = 100_000, 50, 100
"""Of the garbage collector, for a command: what it imports stays, and looking through it over and over took an eighth
of the time of `plan`. A run has thresholds of its own while it goes on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; whoever reads its output may stop at any time."""
    if argv is None:  # the command of this process
        gc.set_threshold(*THRESHOLDS)
    _open_streams()
    code = 0
    try:
        try:
            code = _main(list(sys.argv[1:] if argv is None else argv))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):
            raise
        _drop_stdout()
        if error.errno == errno.EIO:  # the terminal was closed
            return code
        tell(f"sdspec: cannot write the output: {error.strerror}")
        return 1
    return code


def _drop_stdout() -> None:
    """What is still to be written goes nowhere; else Python's own last flush complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Both can be written to: what was closed goes nowhere, and what an encoding lacks is escaped."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # open to the end of the process
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _main(words: list[str]) -> int:
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what may stand at its cursor
        importlib.import_module("sdspec.cli.completion").complete(parser)
    try:
        args = _parse(parser, words)
        if args.version:
            from importlib.metadata import version

            print(f"sdspec {version('sdspec')}")
            return 0
        if args.verb is None:
            parser.print_help()
            return 0
        code: int = importlib.import_module(f"sdspec.cli.{args.verb}").main(args)
        return code
    except SpecError as wrong:
        print_problems(wrong.problems)
        return 2
    except SdspecError as failed:
        tell(f"sdspec: {failed}")
        return 1
    except KeyboardInterrupt:
        return 130


class _Parser(argparse.ArgumentParser):
    """Argparse with our errors."""

    def error(self, message: str) -> NoReturn:
        what = message.replace("the following arguments are required:", "still needs").removeprefix("argument ")
        raise SpecError([Problem(self.prog, f"{what}.", f"See {self.prog} --help.")])


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Flags may stand between the words: `run SPEC --quiet key=value`; `help run` is `run --help`."""
    verbs = next(action.choices for action in parser._actions if isinstance(action.choices, dict))
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if words and not words[0].startswith("-") and words[0] not in verbs:
        raise SpecError([_no_verb(words[0], verbs)])
    args, rest = parser.parse_known_args(words)
    for word in rest:
        if word.startswith("-"):
            raise SpecError([_no_flag(word, verbs.get(args.verb, parser))])
        if not hasattr(args, "words"):
            what = f"{word!r}: one word too many."
            raise SpecError([Problem(f"sdspec {args.verb}", what, f"See sdspec {args.verb} --help.")])
        args.words = [*args.words, word]
    return args


def _no_verb(word: str, verbs: Iterable[str]) -> Problem:
    is_spec = "=" in word or Path(word).is_file() or (Path("specs") / f"{word}.yaml").is_file()
    hint = f"Did you mean 'sdspec run {word}'?" if is_spec else did_you_mean(word, verbs)
    return Problem("sdspec", f"no command '{word}'.", hint)


def _no_flag(flag: str, parser: argparse.ArgumentParser) -> Problem:
    name, _, value = flag.partition("=")
    flags = [known for known in parser._option_string_actions if known.startswith("--")]
    hint = did_you_mean(name, flags)
    if flag in ("-m", "--multirun"):
        hint = "Only 'sdspec run' sweeps."
    elif value and "Did you mean" not in hint:
        hint = f"A key of the spec is set without dashes: {flag.lstrip('-')}."
    return Problem(parser.prog, f"no flag '{name}'.", hint)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="sdspec",
        description="Compiles a declarative spec, kept in git, into a synthetic dataset for fine-tuning an LLM.",
        epilog=EXAMPLES,
        formatter_class=Lines,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    add_verbs(parser.add_subparsers(dest="verb", metavar="COMMAND", title="commands"))
    return parser
