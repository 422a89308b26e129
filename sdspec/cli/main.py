"""The command line: words -> verb, and what is wrong -> exit code. Nothing heavy is imported before a verb needs it.

Exit codes: 0 done, 1 the run failed, 2 the spec or command line is wrong, 3 fewer rows than wanted, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

SPEC_HELP = "a YAML file, or the bare name of one in specs/; without it the default config"
OVERRIDES_HELP = "Hydra overrides: key=value, +key=value, ~key, group=option"
RUN_HELP = "a run folder, a run id, a unique prefix of it, or `last`"

EXAMPLES = """\
examples:
  sdspec run template=text2sql provider=fake workflow.size=20
  sdspec check orders_sql
  sdspec plan orders_sql model.temperature=0.2
  sdspec show last

exit codes: 0 done, 1 failed, 2 the spec or command line is wrong, 3 fewer rows than wanted, 130 interrupted
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = _parser()
    args = _parse(parser, argv)
    if args.version:
        from importlib.metadata import version

        print(f"sdspec {version('sdspec')}")
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    from sdspec.errors import SdspecError, SpecError

    try:
        code: int = importlib.import_module(f"sdspec.cli.{args.verb}").main(args)
        sys.stdout.flush()
        return code
    except SpecError as wrong:
        for problem in wrong.problems:
            print(problem, file=sys.stderr)
        return 2
    except SdspecError as failed:
        print(f"sdspec: {failed}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Flags may stand between the words: `run SPEC --quiet key=value`."""
    args, rest = parser.parse_known_args(argv)
    for word in rest:
        if word.startswith("-") or not hasattr(args, "words"):
            parser.error(f"unrecognized argument: {word}")
        args.words.append(word)
    return args


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="sdspec",
        description="Compiles a declarative spec, kept in git, into a synthetic dataset for fine-tuning an LLM.",
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", title="commands")

    def verb(name: str, what: str, example: str) -> argparse.ArgumentParser:
        return verbs.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example: {example}",
            formatter_class=raw,
        )

    run = _with_spec(verb("run", "run a spec into a new run folder", "sdspec run template=text2sql provider=fake"))
    run.add_argument("--quiet", action="store_true", help="no progress, only problems and the run folder")
    run.add_argument("--json", action="store_true", help="print run.json instead of tables")
    run.add_argument("--retry-errors", action="store_true", help="ask again where the journal holds a refusal")
    check = _with_spec(verb("check", "find every problem of a spec, without a call", "sdspec check orders_sql"))
    check.add_argument("--json", action="store_true", help="print the problems as JSON")
    plan = _with_spec(verb("plan", "show steps, calls, tokens and cost, without a call", "sdspec plan orders_sql"))
    plan.add_argument("--json", action="store_true", help="print plan and estimate as JSON")
    runs = verb("runs", "list the runs below outputs/", "sdspec runs")
    runs.add_argument("--outputs", default="outputs", help="folder of all run folders")
    runs.add_argument("--json", action="store_true", help="print JSON")
    show = _with_run(verb("show", "show a run: funnel, reasons, samples, tokens, cost", "sdspec show last"))
    show.add_argument("-n", type=int, default=3, help="samples shown of kept rows and of each reason")
    show.add_argument("--json", action="store_true", help="print JSON")
    resume = _with_run(verb("resume", "finish an interrupted run in its folder", "sdspec resume last"))
    resume.add_argument("--quiet", action="store_true", help="no progress")
    resume.add_argument("--json", action="store_true", help="print run.json instead of tables")
    resume.add_argument("--retry-errors", action="store_true", help="ask again where the journal holds a refusal")
    export = _with_run(verb("export", "write a run's rows again, in any format", "sdspec export last export=parquet"))
    export.add_argument("words", nargs="*", metavar="OVERRIDE", help=OVERRIDES_HELP)
    return parser


def _with_spec(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("words", nargs="*", metavar="[SPEC] [OVERRIDE ...]", help=f"{SPEC_HELP}; {OVERRIDES_HELP}")
    return parser


def _with_run(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--outputs", default="outputs", help="folder of all run folders")
    return parser
