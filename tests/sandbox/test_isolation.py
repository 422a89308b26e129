"""What is said of an isolation is what holds."""

from itertools import product

import pytest

from sdspec.errors import PrerequisiteError
from sdspec.sandbox import execute as module
from sdspec.sandbox.execute import strongest
from sdspec.sandbox.forked import NotStartedError
from sdspec.sandbox.isolation import Isolation

PARTS = ("network", "files", "processes")


def test_everything_that_is_not_held_is_named():
    """Each of network, files and processes is either said to be held, and by what, or is under `not isolated`."""
    for namespaces, landlock, seccomp in product((True, False), repeat=3):
        said, _, free = Isolation(namespaces, landlock, seccomp).words().partition("not isolated: ")
        assert {part for part in PARTS if f"{part}: " in said} == set(PARTS) - set(free.split(", "))
        assert ("files" in free) == (not landlock)
        assert ("network" in free) == ("processes" in free) == (not namespaces and not seccomp)


def test_words():
    """The two that matter: a workstation, and a container that refuses namespaces."""
    assert Isolation(True, True, True).words() == (
        "network: cut off (network namespace, seccomp); "
        "files: Python's can be read, and an empty folder written, 64 MB in all (landlock); "
        "processes: its own alone (process namespace, seccomp)"
    )
    assert Isolation(False, False, True).words() == (
        "network: cut off (seccomp); processes: its own alone (seccomp); not isolated: files"
    )


@pytest.fixture
def fresh():
    """What was found out about this machine is forgotten before and after."""
    strongest.cache_clear()
    yield
    strongest.cache_clear()


def test_what_does_not_work_is_not_claimed(fresh, monkeypatch):
    """A mechanism that the kernel offers and then refuses is left out; files are held on to before namespaces."""
    real = module.execute
    tried = []

    def refusing(code, limits, isolation):
        tried.append(isolation)
        if isolation.namespaces or isolation.seccomp:
            raise NotStartedError("refused")
        return real(code, limits, Isolation(False, False, False))

    monkeypatch.setattr(module, "execute", refusing)
    monkeypatch.setattr(module.landlock, "version", lambda: 7)
    monkeypatch.setattr(module.seccomp, "known", lambda: True)
    assert strongest() == Isolation(namespaces=False, landlock=True, seccomp=False)
    assert [one.landlock for one in tried] == [True] * 4


def test_a_machine_that_runs_nothing_says_so(fresh, monkeypatch):
    """No code is executed by another way: the run ends, with the kernel's word."""

    def refusing(code, limits, isolation):
        raise NotStartedError("Operation not permitted")

    monkeypatch.setattr(module, "execute", refusing)
    with pytest.raises(PrerequisiteError, match="cannot be run on this machine: Operation not permitted"):
        strongest()
