"""Claims of processes that share a journal."""

import subprocess
import sys
from pathlib import Path

from sdspec.store.claims import Claims

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
HOLDER = """
import sys
from pathlib import Path
from sdspec.store.claims import Claims
claims = Claims.open(Path(sys.argv[1]))
print(claims.take(bytes(range(32))), flush=True)
sys.stdin.read()
"""


def test_a_key_is_one_processes_to_buy_until_it_is_given_back(tmp_path: Path) -> None:
    """Law 3: of two that would buy the same one may; other keys are nobody's matter."""
    one, two = (Claims.open(tmp_path / "j") for _ in range(2))
    assert one.take(KEY)
    assert not two.take(KEY)
    assert not two.is_free(KEY)
    assert two.take(OTHER)
    one.give_back(KEY)
    assert two.is_free(KEY)
    assert two.take(KEY)
    for claims in (one, two):
        claims.close()


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    """Law 3: what a killed process was buying may be bought at once."""
    claims = Claims.open(tmp_path / "j")
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "j")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert not claims.take(KEY)
        holder.kill()
    assert claims.take(KEY)
    claims.close()


def test_company_is_seen_by_those_that_were_there_and_by_those_that_come(tmp_path: Path) -> None:
    """Who has had company looks into the journal once more before it buys; who is alone need not."""
    one = Claims.open(tmp_path / "j")
    assert not one.has_company
    two = Claims.open(tmp_path / "j")
    assert (True, True) == (one.has_company, two.has_company)
    two.close()
    assert one.has_company, "what the other bought is in the journal only now"
    one.close()
    alone = Claims.open(tmp_path / "j")
    assert not alone.has_company
    alone.close()


def test_a_claim_that_is_disregarded_holds_nobody_up(tmp_path: Path) -> None:
    """Law 3: a process that hangs is not waited for, and its claim is not taken from it."""
    one, two, three = (Claims.open(tmp_path / "j") for _ in range(3))
    assert one.take(KEY)
    two.disregard(KEY)
    assert two.take(KEY)
    two.give_back(KEY)
    assert not three.take(KEY)
    for claims in (one, two, three):
        claims.close()
