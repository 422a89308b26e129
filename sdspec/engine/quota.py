"""What an endpoint grants a minute: requests, input and output tokens, reserved before a call and settled after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sdspec.calls import Answer
from sdspec.contracts import Limits
from sdspec.engine.learned import Learned, Load
from sdspec.engine.windows import Guess, Reservation, Window
from sdspec.errors import CallError

FAILED = 400
"""HTTP status from which on a response is an error, for which no endpoint charges tokens."""


class Quota:
    """The token limits of one endpoint, shared by all its models."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._learned = Learned()
        self._requests = None if limits.rpm is None else Window(limits.rpm, by_arrival=True)
        self._input = None if limits.itpm is None else Window(limits.itpm, by_arrival=True)
        self._output = None if limits.otpm is None else Window(limits.otpm, by_arrival=False)
        self.flying = 0
        """Calls that have been sent and have no answer yet; one that is being journaled has a slot, and is not here."""

    def wait_s(self, load: Load) -> tuple[float | None, str]:
        """How long a call must wait, and which limit says so; 0 when it may go, None when only answers make room."""
        now = self._clock()
        for window, guess, name in self._all(load):
            if not window.fits(now, guess):
                return window.wait_s(now), f"{window.limit:,} {name} a minute"
        return 0.0, ""

    def take(self, load: Load) -> Slot:
        """A slot with what the call in it is expected to take."""
        held = [(window, window.reserve(self._clock(), guess)) for window, guess, _ in self._all(load)]
        return Slot(self, load, held)

    def settle(
        self, held: list[tuple[Window, Reservation]], used: tuple[int, int] | None, *, sent: bool = True
    ) -> None:
        """Input and output tokens that a call has used stand in the place of the guesses.

        The guess stays where the answer does not say, and with None. A request counts as soon as it was sent.
        """
        now = self._clock()
        for window, reservation in held:
            if window is self._requests:  # refused or not
                window.settle(reservation, now, 1 if sent else 0)
                continue
            said = 0 if used is None else used[0 if window is self._input else 1]
            guessed = 0 if used == NOTHING else round(reservation.guess.mean)
            window.settle(reservation, now, said or guessed)

    def saw(self, load: Load, answer: Answer) -> None:
        """The next guesses know of this answer."""
        if self._input or self._output:
            self._learned.saw(load, answer)

    def _all(self, load: Load) -> list[tuple[Window, Guess, str]]:
        found = []
        if self._requests is not None:
            found.append((self._requests, ONE, "requests"))
        if self._input is not None:
            found.append((self._input, self._learned.input(load, self._input.limit), "input tokens"))
        if self._output is not None:
            found.append((self._output, self._learned.output(load, self._output.limit), "output tokens"))
        return found


ONE = Guess(1.0)
NOTHING = (0, 0)
"""Tokens of a call that was not sent, or for which an error came back."""


class Slot:
    """A place in flight, and what is reserved for the call in it; that is settled once."""

    def __init__(self, quota: Quota, load: Load, held: list[tuple[Window, Reservation]]) -> None:
        self._quota = quota
        self._load = load
        self._held = held
        self.among = 0
        """Calls that the endpoint had when this one went out, itself included; 0: it has not."""

    async def charged(self, call: Awaitable[Answer]) -> Answer:
        """What the call comes to; its tokens count as they are, not at all where an error came back."""
        self._quota.flying += 1
        self.among = self._quota.flying
        try:
            answer = await call
        except CallError as error:
            if error.status is not None and error.status >= FAILED:
                self._settle(NOTHING)
            raise
        finally:
            self._quota.flying -= 1
        self._quota.saw(self._load, answer)
        if (used := (answer.input_tokens, answer.output_tokens)) != NOTHING:
            self._settle(used)
        return answer

    def give_back(self) -> None:
        """Nothing was sent, and nothing that is still reserved has been used."""
        self._settle(NOTHING, sent=False)

    def close(self) -> None:
        """What is still reserved counts as used: no word came back of it."""
        self._settle(None)

    def _settle(self, used: tuple[int, int] | None, *, sent: bool = True) -> None:
        held, self._held = self._held, []
        if held:
            self._quota.settle(held, used, sent=sent)
