"""The verbs of the command line: what each takes, and what its help says."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable

SPEC_HELP = "a YAML file, or the bare name of one in specs/; without it the default config"
OVERRIDES_HELP = "Hydra overrides: key=value, +key=value, ~key, group=option"
RUN_HELP = "a run folder, a run id, a unique prefix of it, or `last`"

ENDINGS = (
    "exit codes: 0 done, 1 failed, 2 the spec or command line is wrong, 3 stopped at a budget or with fewer rows than "
    "wanted, 130 interrupted; 1, 130 and a budget can be resumed"
)

Verb = Callable[..., argparse.ArgumentParser]
"""Name, what it does, examples, and further lines about it -> its parser."""


class Lines(argparse.RawDescriptionHelpFormatter):
    """Prose is wrapped; lines that begin with a space, which show commands, stay as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = len("    completion")  # argparse forgets how far the commands are indented

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (
            line if line.startswith(" ") else textwrap.fill(line, width, break_on_hyphens=False)
            for line in text.splitlines()
        )
        return "\n".join(f"{indent}{line}" for line in lines)


def add_verbs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Every verb has its parser, in the order in which help lists them; `sdspec/cli/<verb>.py` does it."""

    def verb(name: str, what: str, *examples: str, more: str = "") -> argparse.ArgumentParser:
        shown = "\n".join((f"example{'s' if examples[1:] else ''}:", *(f"  {example}" for example in examples)))
        return verbs.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"{shown}\n\n{more}" if more else shown,
            formatter_class=Lines,
        )

    _on_specs(verb)
    _looking_at_specs(verb)
    _asking_providers(verb)
    _on_runs(verb)
    _for_people(verb)


def _on_specs(verb: Verb) -> None:
    run = _with_spec(
        verb(
            "run",
            "run a spec into a new run folder",
            "sdspec run template=text2sql provider=fake",
            "sdspec run orders_sql workflow.size=20",
            "sdspec run orders_sql -m model.temperature=0.2,0.7",
            more=f"stdout ends with the run folder; progress is on stderr.\n{ENDINGS}",
        )
    )
    run.add_argument("-m", "--multirun", action="store_true", help="sweep: one run for each combination of a=1,2 b=3,4")
    run.add_argument("--quiet", action="store_true", help="no progress, only problems and the run folder")
    run.add_argument("--json", action="store_true", help="print run.json instead of tables")
    run.add_argument("--retry-errors", action="store_true", help="ask again where the journal holds a refusal")
    check = _with_spec(
        verb(
            "check",
            "find every problem of a spec, without a call",
            "sdspec check orders_sql",
            "sdspec check specs/*.yaml",
            more="exit codes: 0 no problem, 2 some",
        ),
        several=True,
    )
    check.add_argument("--json", action="store_true", help="print the problems as JSON")
    plan = _with_spec(
        verb(
            "plan",
            "show steps, calls, tokens and cost, without a call",
            "sdspec plan orders_sql",
            "sdspec plan orders_sql workflow.size=1000",
            more="It says how many of the first calls the journal holds, and if the spec has run before, what changed "
            "since: keys with their lines, steps, seeds.",
        )
    )
    plan.add_argument("--json", action="store_true", help="print plan and estimate as JSON")


def _asking_providers(verb: Verb) -> None:
    doctor = _with_spec(
        verb(
            "doctor",
            "find what would stop a run: credentials, endpoint, model",
            "sdspec doctor orders_sql",
            "sdspec doctor provider=bedrock model=claude_haiku --no-call",
            more="Each model is asked twice, for a few tokens, which are not journaled; --no-call asks nothing.\n"
            "exit codes: 0 all is well, 1 a check failed, 2 the spec is wrong",
        )
    )
    doctor.add_argument("--no-call", action="store_true", help="do not ask the model; everything else is looked at")
    models = _with_spec(
        verb(
            "models",
            "list the models that a provider offers",
            "sdspec models provider=bedrock --match claude",
            "sdspec models provider=openai --json",
            more="Of a spec only its provider counts; it needs no model yet.",
        )
    )
    models.add_argument("--match", metavar="WORD", help="only those with this word in their id or name")
    models.add_argument(
        "--provider", metavar="NAME", default="provider", help="one of `providers:`; the spec's own without it"
    )
    for parser in (doctor, models):
        parser.add_argument(
            "--timeout",
            type=_seconds,
            default=15.0,
            metavar="SECONDS",
            help="longest wait for one answer; 15 without it",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")


def _looking_at_specs(verb: Verb) -> None:
    preview = _with_spec(
        verb(
            "preview",
            "show the exact messages of the first rows",
            "sdspec preview orders_sql -n 1",
            "sdspec preview orders_sql provider=fake --call",
            more="What --call asks is in the journal then: a run does not buy it again.",
        )
    )
    preview.add_argument("-n", type=_some, default=3, help="rows shown; 3 without it")
    preview.add_argument("--call", action="store_true", help="ask the model too, and show answers, parsed and checked")
    preview.add_argument("--json", action="store_true", help="print JSON")
    explain = verb(
        "explain",
        "show a key's value and what set it",
        "sdspec explain model.temperature --spec orders_sql",
        "sdspec explain template.checks template=code_generation",
        "sdspec explain provider",
        more="Of a group it shows the options there are, too.",
    )
    explain.add_argument("key", metavar="KEY", help="a key of the spec, e.g. workflow.size or template")
    explain.add_argument("words", nargs="*", default=[], metavar="OVERRIDE", help=OVERRIDES_HELP)
    explain.add_argument("--spec", metavar="SPEC", help=SPEC_HELP)
    explain.add_argument("--json", action="store_true", help="print JSON")
    new = verb(
        "new",
        "write a new spec file",
        "sdspec new bridges --template custom",
        more="Beside it the schema is written, specs/.schema.json: editors complete and check specs with it.\n"
        "`sdspec explain template` lists the templates.",
    )
    new.add_argument("name", metavar="NAME", help="the dataset's name; the file is specs/NAME.yaml")
    new.add_argument(
        "--template", metavar="TEMPLATE", default="custom", help="an option of the group template; custom without it"
    )


def _on_runs(verb: Verb) -> None:
    runs = verb("runs", "list the runs below outputs/, the newest first", "sdspec runs", "sdspec runs -n 100")
    runs.add_argument("-n", type=_some, help="runs shown; without it a terminal shows the newest 20")
    runs.add_argument("--outputs", metavar="FOLDER", default="outputs", help="folder of all run folders")
    runs.add_argument("--json", action="store_true", help="print JSON")
    show = _with_run(
        verb("show", "show a run: funnel, reasons, samples, tokens, cost", "sdspec show", "sdspec show last -n 10"),
        default="last",
    )
    show.add_argument("-n", type=_count, default=3, help="samples shown of kept rows and of each reason; 3 without it")
    show.add_argument("--json", action="store_true", help="print JSON")
    row = _with_run(
        verb(
            "row",
            "show the whole life of one row, kept or rejected",
            "sdspec row last 3f9a",
            more="`sdspec show` names some rows; rows.parquet and rejects.parquet hold all, as _row_id.",
        )
    )
    row.add_argument("row", metavar="ROW_ID", help="a row's `_row_id`, or a unique prefix of it")
    row.add_argument("--json", action="store_true", help="print JSON")
    resume = _with_run(
        verb(
            "resume",
            "finish an interrupted run in its folder",
            "sdspec resume last",
            "sdspec resume last budget.usd=20",
            more=f"What the run has spent counts on; it may get another budget, and nothing else.\n{ENDINGS}",
        )
    )
    resume.add_argument("words", nargs="*", default=[], metavar="OVERRIDE", help="another budget, e.g. budget.usd=20")
    resume.add_argument("--quiet", action="store_true", help="no progress")
    resume.add_argument("--json", action="store_true", help="print run.json instead of tables")
    resume.add_argument("--retry-errors", action="store_true", help="ask again where the journal holds a refusal")
    export = _with_run(
        verb(
            "export",
            "write a run's rows again, in any format",
            "sdspec export last export=parquet",
            "sdspec export last export=[messages,hf] -o dataset",
            "sdspec export last export.train.packer=alpaca card.license=cc-by-4.0",
            more="Without an override it writes what the run's own spec asks for.",
        )
    )
    export.add_argument("words", nargs="*", default=[], metavar="OVERRIDE", help=OVERRIDES_HELP)
    export.add_argument("-o", "--output", metavar="DIR", help="write into this folder, not into the run's export/")
    export.add_argument("--json", action="store_true", help="print the written files as JSON")


def _for_people(verb: Verb) -> None:
    schema = verb(
        "schema",
        "print the JSON Schema of a spec, for editors",
        "sdspec schema -o specs/.schema.json",
        more="An editor with the YAML language server uses it for each file that begins with\n"
        "  # yaml-language-server: $schema=.schema.json",
    )
    schema.add_argument("-o", "--output", metavar="FILE", help="write it to a file")
    completion = verb(
        "completion",
        "print a shell's completion script",
        'eval "$(sdspec completion bash)"',
        'eval "$(sdspec completion zsh)"',
        "sdspec completion fish | source",
        more="In the shell's start-up file (~/.bashrc, ~/.zshrc, ~/.config/fish/config.fish) it is there for good.",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def _count(text: str) -> int:
    """How many things to show."""
    return _whole(text, 0)


def _some(text: str) -> int:
    """How many things to show, one at least."""
    return _whole(text, 1)


def _seconds(text: str) -> float:
    """A time to wait."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 is needed, got '{text}'")
    return seconds


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"a whole number from {least} is needed, got '{text}'")
    return int(text)


def _with_spec(parser: argparse.ArgumentParser, *, several: bool = False) -> argparse.ArgumentParser:
    spec = "[SPEC ...]" if several else "[SPEC]"
    parser.usage = f"{parser.prog} {spec} [OVERRIDE ...] [options]"
    parser.add_argument(
        "words", nargs="*", default=[], metavar=f"{spec} [OVERRIDE ...]", help=f"{SPEC_HELP}; {OVERRIDES_HELP}"
    )
    return parser


def _with_run(parser: argparse.ArgumentParser, *, default: str | None = None) -> argparse.ArgumentParser:
    if default is None:
        parser.add_argument("run", metavar="RUN", help=RUN_HELP)
    else:
        parser.add_argument("run", metavar="RUN", nargs="?", default=default, help=f"{RUN_HELP} (the default)")
    parser.add_argument("--outputs", metavar="FOLDER", default="outputs", help="folder of all run folders")
    return parser
