"""Which row is started next, which may buy, which is committed: pure bookkeeping, no clock and no I/O.

Rows are ordered by round, then by item: round k holds the k-th row of every item whose quota was not met by the rounds
before. Each round's list is fixed when the round begins, so which rows are attempted, and in which order they are
committed, depends on answers alone, whatever is started ahead and in whatever order it finishes.

    quotas [2, 1], first row of item 0 rejected:   (0,0)- (0,1)+ | (1,0)+ | (2,0)+        - reject, + kept
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

Position = tuple[int, int]
"""(round, item): the round-th row of the item."""

PRIOR_WEIGHT = 4.0
"""Rows' worth of belief in the overall acceptance rate before an item's own rows speak."""
LEAST_RATE = 0.05
"""However bad the rate, at most this reciprocal (20) rows are started ahead for one that is wanted."""


class Phase(Enum):
    """Where a started row stands."""

    RESOLVING = "resolving"
    """All its answers so far came from the journal, or it has asked nothing yet."""
    LIVE = "live"
    """It has needed an answer that the journal does not hold."""
    ACCEPTED = "accepted"
    """Its row-wise steps are done."""
    REFUSED = "refused"
    """It ended as a reject."""


@dataclass(slots=True)
class _Item:
    wanted: int
    open: int = 0
    accepted: int = 0
    finished: int = 0
    open_accepted: int = 0
    open_running: int = 0
    parked: int | None = None
    """The round of its next row, while no further row of it may be started."""


class Schedule:
    """The rows of one run. Started rows that are not committed are open."""

    def __init__(self, quotas: Sequence[int], max_attempts: int) -> None:
        self._items = [_Item(quota) for quota in quotas]
        self._max_attempts = max_attempts
        self._next: list[Position] = [(0, item) for item, quota in enumerate(quotas) if quota]
        self._round = 0
        self._turn = [item for item, quota in enumerate(quotas) if quota]
        self._at = 0
        self._open: dict[Position, Phase] = {}
        self._resolving: list[Position] = []
        self._running = 0
        self._open_wanted = 0
        """Open rows of items that still want rows."""
        self._accepted = self._finished = self._kept_of_accepted = self._committed_accepted = 0
        self.wanted = sum(quotas)
        """Kept rows still wanted."""
        self.attempted = 0
        """Rows committed, kept or not."""

    # ------------------------------------------------------------------------------------------------- starting

    def start(self, room: bool) -> Position | None:
        """The next row to start, now open; None when none may be. Without room, only the row that all wait for."""
        while self._next:
            position = self._next[0]
            item = self._items[position[1]]
            head = position == self.head
            if item.wanted == 0:
                heapq.heappop(self._next)
            elif self.attempted + (0 if head else self._open_wanted) >= self._max_attempts or not (head or room):
                return None
            elif not self._wants_more(item):
                heapq.heappop(self._next)
                item.parked = position[0]
            else:
                heapq.heapreplace(self._next, (position[0] + 1, position[1]))
                item.open_running += 1
                self._running += 1
                item.open += 1
                self._open_wanted += 1
                self._open[position] = Phase.RESOLVING
                heapq.heappush(self._resolving, position)
                return position
        return None

    def _wants_more(self, item: _Item) -> bool:
        # A row that still runs counts as accepted: refusals come sooner than answers, and would look like all there is.
        rate = (self._accepted + self._running + 1.0) / (self._finished + self._running + 1.0)
        mine = item.accepted + item.open_running + PRIOR_WEIGHT * rate
        own = max(LEAST_RATE, mine / (item.finished + item.open_running + PRIOR_WEIGHT))
        unique = (self._kept_of_accepted + 1.0) / (self._committed_accepted + 1.0)
        expected = (item.open_accepted + item.open_running * own) * max(LEAST_RATE, unique)
        return expected < item.wanted - 1e-9

    # -------------------------------------------------------------------------------------------------- running

    def missed(self, position: Position) -> None:
        """The row needs an answer that the journal does not hold; it no longer holds back the rows behind it."""
        if self._open.get(position) is Phase.RESOLVING:
            self._open[position] = Phase.LIVE

    def may_buy(self, position: Position) -> bool:
        """True when no row before this one may still resolve from the journal and make this one needless."""
        while self._resolving:
            first = self._resolving[0]
            if self._open.get(first) is Phase.RESOLVING and self._items[first[1]].wanted:
                return position <= first
            heapq.heappop(self._resolving)
        return True

    def finished(self, position: Position, accepted: bool) -> None:
        """The row's row-wise steps are over."""
        item = self._items[position[1]]
        item.open_running -= 1
        self._running -= 1
        item.finished += 1
        self._finished += 1
        if accepted:
            item.accepted += 1
            item.open_accepted += 1
            self._accepted += 1
        self._open[position] = Phase.ACCEPTED if accepted else Phase.REFUSED
        self._unpark(position[1])

    def withdrawn(self, position: Position) -> None:
        """The row was stopped before it finished; it is as if it had not been started."""
        self._items[position[1]].open_running -= 1
        self._running -= 1
        self._close(position)

    # ----------------------------------------------------------------------------------------------- committing

    @property
    def head(self) -> Position | None:
        """The row that is committed next; None when all is done."""
        while True:
            while self._at < len(self._turn):
                item = self._turn[self._at]
                if self._items[item].wanted:
                    return self._round, item
                self._at += 1
            self._turn = [item for item in self._turn if self._items[item].wanted]
            if not self._turn:
                return None
            self._round += 1
            self._at = 0

    def ready(self) -> Position | None:
        """The head, if it is finished and may be committed."""
        head = self.head
        if head is None or self.attempted >= self._max_attempts:
            return None
        return head if self._open.get(head) in (Phase.ACCEPTED, Phase.REFUSED) else None

    def skip(self) -> None:
        """The head is passed over, and the next row becomes the head."""
        self._at += 1

    def committed(self, position: Position, kept: bool) -> None:
        """The head is decided, and the next row becomes the head."""
        item = self._items[position[1]]
        phase = self._close(position)
        self.attempted += 1
        self._at += 1
        if phase is Phase.ACCEPTED:
            item.open_accepted -= 1
            self._committed_accepted += 1
            self._kept_of_accepted += kept
        if kept:
            item.wanted -= 1
            self.wanted -= 1
            if not item.wanted:
                self._open_wanted -= item.open
        self._unpark(position[1])

    def _close(self, position: Position) -> Phase:
        item = self._items[position[1]]
        item.open -= 1
        if item.wanted:
            self._open_wanted -= 1
        return self._open.pop(position)

    def behind_the_cut(self, position: Position) -> bool:
        """True when the row's item has all it wanted, so that this row is surplus."""
        return self._items[position[1]].wanted == 0

    @property
    def over(self) -> bool:
        """True when all wanted rows are kept, or no more may be attempted."""
        return self.wanted == 0 or self.attempted >= self._max_attempts

    def missing(self) -> dict[int, int]:
        """Item -> kept rows still wanted, where there are any."""
        return {position: item.wanted for position, item in enumerate(self._items) if item.wanted}

    def _unpark(self, index: int) -> None:
        item = self._items[index]
        if item.parked is not None and item.wanted and self._wants_more(item):
            heapq.heappush(self._next, (item.parked, index))
            item.parked = None
