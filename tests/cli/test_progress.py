"""Progress: how fast and how long, on a terminal, in a log and with --quiet, from tallies alone."""

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sdspec.cli.pace import Pace, PerMinute, ago, clock, rate, roughly
from sdspec.cli.progress import OnTerminal, Plain, Quiet, numbers, outlook
from sdspec.cli.screen import Column, table
from sdspec.engine.tally import Tally, Usage
from sdspec.plan.compile import compile_spec
from sdspec.plan.plan import Plan
from sdspec.spec.load import load_spec
from sdspec.spec.models import BudgetSpec
from tests.recipes import write_spec


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """100 rows wanted, at most 1000 attempted, 4 calls at once."""
    folder = tmp_path_factory.mktemp("progress")
    write_spec(folder)
    return compile_spec(load_spec("colours", ["workflow.size=100", "engine.concurrency=4"], cwd=folder))


def tally(kept: int, rejected: int = 0, retried: int = 0, **more: float) -> Tally:
    """A tally of 100 wanted rows; `more` of its bill."""
    reasons = Counter({"unparseable": rejected}) if rejected else Counter()
    bill = Usage(calls=kept + rejected, **more)
    return Tally(100, attempted=kept + rejected, kept=kept, rejected=reasons, retried=retried, bill=bill)


def screen(shown: OnTerminal, width: int) -> list[str]:
    """The lines that a terminal of this width shows."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    console.print(shown)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_forecast_counts_what_is_rejected() -> None:
    """Half of two rows a second are kept: 100 rows take 100 seconds, whatever the start was like."""
    pace = Pace(1000)
    for second in range(10, 51):
        pace.tick(tally(second - 10, second - 10), float(second))
    assert pace.kept_per_s == pytest.approx(1.0)
    assert pace.left_s == pytest.approx(60.0)


def test_the_forecast_ends_where_attempts_do() -> None:
    """A run that will stop at workflow.max_attempts says when that is."""
    pace = Pace(200)
    for second in range(51):
        pace.tick(tally(second // 10, second - second // 10), float(second))
    assert pace.left_s == pytest.approx(150.0)


def test_a_quick_start_does_not_hide_what_a_minute_is_granted() -> None:
    """Ten calls went out in the first five seconds of a minute that is granted sixty: 90 rows take 90 seconds."""
    for before in (0, 500):  # the second time as a resume, which has used something already
        pace = Pace(1000, [PerMinute(("generate",), rpm=60), PerMinute(("judge",), otpm=10**6)])
        for second in range(6):
            steps = {"generate": Usage(calls=before + 2 * second), "judge": Usage(output_tokens=second)}
            pace.tick(Tally(100, attempted=2 * second, kept=2 * second, steps=steps), float(second))
        assert pace.left_s == pytest.approx(90.0)


def test_nothing_is_foretold_from_nothing() -> None:
    """Before some rows are kept there is neither a rate nor a forecast."""
    pace = Pace(1000)
    pace.tick(tally(2), 60.0)
    assert (pace.kept_per_s, pace.left_s) == (0.0, None)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=30, max_size=90))
def test_the_forecast_does_not_jump(seconds: list[tuple[int, int]]) -> None:
    """In a steady run a burst or a gap of one second moves the forecast by less than half once the window is full."""
    pace, kept, rejected, before = Pace(10**9), 0, 0, None
    for second, (good, bad) in enumerate(seconds, start=1):
        kept, rejected = kept + 2 + good % 2, rejected + 2 + bad % 2
        pace.tick(Tally(10**6, attempted=kept + rejected, kept=kept), float(second))
        if second > 20 and before is not None and pace.left_s is not None:
            assert 0.5 < pace.left_s / before < 2
        before = pace.left_s


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (rate(1.44), "1.4 rows/s"),
        (rate(25.0), "25 rows/s"),
        (rate(0.2), "12 rows/min"),
        (rate(0.001), "3.6 rows/h"),
        (roughly(1.0), "5 s"),
        (roughly(43.0), "45 s"),
        (roughly(200.0), "3 min"),
        (roughly(7800.0), "2 h 10 min"),
        (roughly(274_000.0), "3 d 4 h"),
        (ago(-3.0), "0 s"),
        (ago(200.0), "3 min"),
        (ago(200_000.0), "2 d"),
        (clock(62.0), "1:02"),
        (clock(7384.0), "2:03:04"),
    ],
)
def test_times_as_people_say_them(shown: str, expected: str) -> None:
    """Units fit the size, and no forecast is more exact than it can be."""
    assert expected == shown


@pytest.mark.parametrize("width", [30, 40, 80, 120])
def test_a_terminal_shows_whole_lines(plan: Plan, width: int) -> None:
    """Each line fits its width: a bar with the counts, the numbers that fit, the reasons, what is waited for."""
    shown = OnTerminal(plan, Console())
    for second in range(1, 40):
        shown.tick(tally(second, second // 3, input_tokens=10**6, cost_usd=0.5, retried=3), 4, float(second))
    shown.waiting("next calls in 58 s: asked to slow down (rate_limit_exceeded)")
    lines = screen(shown, width)
    assert len(lines) == 4
    assert max(map(len, lines)) < width
    assert lines[0].startswith("colours ")
    assert lines[0].endswith(" 39/100")
    assert lines[1].startswith("1.0 rows/s, ")
    assert lines[2].startswith("rejected: unparseable 13")
    assert lines[3].startswith("next calls in 58 s")
    shown.waiting("")
    assert len(screen(shown, width)) == 3


def test_a_terminal_says_what_it_waits_for(plan: Plan) -> None:
    """Before the first answer: what is loaded, then that calls are out, with the time that went by."""
    shown = OnTerminal(plan, Console())
    shown.say("loading the model")
    shown.tick(tally(0), 0, 3.0)
    assert ["starting, 0:03", "loading the model"] == screen(shown, 60)[1:]
    shown.tick(tally(0), 4, 34.0)
    assert ["waiting for the first answers, 0:34, 4 in flight"] == screen(shown, 60)[1:]
    shown.tick(tally(1), 4, 35.0)
    assert ["4 in flight, 0:35, 1 call, 0 tokens"] == screen(shown, 60)[1:]


def test_a_run_out_of_the_journal_is_no_start(plan: Plan) -> None:
    """Rows that ask nobody have a rate and a forecast; before the first live answer, that is what is waited for."""
    shown = OnTerminal(plan, Console())
    for second in range(1, 40):
        shown.tick(Tally(100, attempted=second, kept=second, from_journal=second), 0, float(second))
    assert ["1.0 rows/s, 60 s left, 0:39, 39 from the journal"] == screen(shown, 60)[1:]
    shown.waiting("the journal is locked by another process, or its disk is slow: waiting for 3 s")
    shown.tick(Tally(100, attempted=39, kept=39, from_journal=39), 0, 40.0)
    assert screen(shown, 60)[1] == "57 rows/min, 65 s left, 0:40, 39 from the journal"
    shown.waiting("")
    shown.tick(Tally(100, attempted=39, kept=39, from_journal=39), 4, 41.0)
    assert ["waiting for the first answers, 0:41, 4 in flight"] == screen(shown, 60)[1:]


def test_a_log_gets_fewer_and_fewer_lines(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    """The first line comes after some seconds, then pauses double: an hour is some forty lines."""
    log = Plain(plan)
    for tick in range(1, 5 * 3600):
        log.tick(tally(min(99, tick // 200)), 4, tick / 5)
    lines = capsys.readouterr().err.splitlines()
    assert "0:05" in lines[0]
    assert "0:15" in lines[1]
    assert len(lines) < 40
    assert all("\x1b" not in line for line in lines)


def test_a_log_says_why_nothing_happens_now_and_then(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    """A cool-down of a minute is two lines, not three hundred."""
    log = Plain(plan)
    for tick in range(300):
        log.waiting(f"next calls in {60 - tick // 5} s")
        log.tick(tally(0), 0, tick / 5)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("next calls")]
    assert 2 <= len(lines) <= 3


@pytest.mark.parametrize("kind", [Quiet, Plain])
def test_a_run_that_keeps_nothing_warns_once(plan: Plan, capsys: pytest.CaptureFixture[str], kind: type[Quiet]) -> None:
    """After fifty rejects and no kept row, also with --quiet, a line says the reason and where to look."""
    watch = kind(plan)
    for second in range(60):
        watch.tick(tally(0, second), 4, second / 100)
    warnings = capsys.readouterr().err.splitlines()
    assert ["none of the first 50 rows was kept: unparseable 50. Look why: sdspec show last"] == warnings


def test_the_outlook_of_a_run(plan: Plan) -> None:
    """A run that will end far below its size is told so; one that will not, or has just begun, is not."""
    assert outlook(tally(1, 48), plan) == ""
    assert outlook(tally(30, 70), plan) == ""
    assert "workflow.max_attempts=1000 ends this run with about 20 of 100." in outlook(tally(1, 49), plan)


WIDE = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)


@given(st.lists(st.tuples(WIDE, WIDE, WIDE), max_size=6), st.integers(30, 120))
def test_tables_never_wrap(rows: list[tuple[str, str, str]], width: int) -> None:
    """Each row is one line within the width; the column that may not go stays."""
    columns = (Column("a", least=8), Column("b", right=True, least=6, spare=1), Column("c", spare=2))
    lines = table(columns, rows, width)
    assert len(rows) + 1 == len(lines)
    assert max(line.cell_len for line in lines) <= width
    assert lines[0].plain.startswith("a")


def test_columns_give_way_in_order() -> None:
    """Long names are cut before a column goes, and the one that is least needed goes first."""
    columns = (Column("run"), Column("name", least=8, spare=1), Column("age", spare=2))
    rows = [("2026-11-21", "a-very-long-name", "3 min")]
    shown = [
        "\n".join(line.plain for line in table(columns, rows, width)).splitlines()[1] for width in (80, 30, 22, 12)
    ]
    assert [
        "2026-11-21  a-very-long-name  3 min",
        "2026-11-21  a-very-lon…  3 min",
        "2026-11-21  a-very-lo…",
        "2026-11-21",
    ] == shown


def test_a_file_has_no_edge(tmp_path: Path) -> None:
    """Without a width nothing is cut."""
    assert "x" * 300 in table((Column("name", least=8),), [("x" * 300,)], None)[1].plain


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (BudgetSpec(usd=5), "$1.20 of $5.00, 0:35, 3 calls, 1.0M tokens"),
        (BudgetSpec(calls=500), "3 of 500 calls, $1.20, 0:35, 1.0M tokens"),
        (BudgetSpec(tokens=2_000_000), "1.0M of 2.0M tokens, $1.20, 0:35, 3 calls"),
        (BudgetSpec(wall=1800), "0:35 of 30:00, $1.20, 3 calls, 1.0M tokens"),
    ],
)
def test_what_is_limited_is_shown_against_its_limit(budget: BudgetSpec, words: str) -> None:
    """Each limit stands with what is spent of it, in the place of the number alone."""
    shown = numbers(tally(3, input_tokens=10**6, cost_usd=1.2), Pace(1000), 0, 35.0, budget)
    assert words == ", ".join(shown)
