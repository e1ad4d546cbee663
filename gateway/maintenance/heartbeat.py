"""This process's heartbeat among the replicas of the ledger, and what the others' tell."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bandit.types import Epoch
from storage.database.engine import Database
from storage.database.watchdog import Watchdog
from storage.errors import DatabaseUnavailable
from storage.maintenance.future import FutureEvents
from storage.stores.keys import Keys
from storage.stores.refused import RefusedRecords
from storage.stores.replicas import Replica, Replicas, ReplicaState
from storage.stores.unmatched import Unmatched, UnmatchedScores

TakeUnmatched = Callable[[], Mapping[tuple[str, int], UnmatchedScores]]

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
"""What the other processes' health is told by is this old at most."""

LOOK_SECONDS = 0.25
"""How soon others are told that the spool is used, or empty again."""

NOTED_SECONDS = 15.0
"""How often it is noted when API keys were used last."""

OVERDUE_SECONDS = 3 * BEAT_SECONDS
"""A replica whose heartbeat is older may be spooling: it does not reach the database, or was killed."""

CLOSE_SECONDS = 5.0
"""How long a stop waits for a heartbeat that is being written."""

LONGEST_REQUEST_SECONDS = 3_600.0
"""A completion's id is made when its request comes, and its record when that ends."""

CLOCK_SECONDS = 2.0
"""A larger difference between this machine's clock and the database's is told to the operator."""


class Heartbeat:
    """A thread that writes this process's row every few seconds and reads the others'. `spool` is its spool's stem."""

    def __init__(self, database: Database, *, version: str, spool: Path) -> None:
        self._clock = database.clock
        self._watchdog = Watchdog()
        self._store = Replicas(database.watched(self._watchdog))
        now = self._clock.now()
        # Until the spools of dead processes are adopted, nobody knows what they hold.
        self._own = Replica(
            id=f"rep_{secrets.token_hex(8)}",
            host=socket.gethostname(),
            pid=os.getpid(),
            version=version,
            spool=str(spool.absolute()),
            started_at=now,
            heartbeat_at=now,
            clock_ahead_seconds=0.0,
            spooling_since=0.0,
        )
        self._replicas: list[Replica] = []
        self._beats = 0
        self._refused = RefusedRecords(database.watched(self._watchdog))
        self._refused_count = 0
        self._refused_ids: frozenset[str] = frozenset()
        self._future = FutureEvents(database.watched(self._watchdog))
        self._latest: Epoch | None = None  # what is recorded later than the present
        self._adopted: frozenset[str] = frozenset()  # dead replicas, whose spools this one adopts
        self._is_spooling: Callable[[], bool] = lambda: True
        self._take_uses: Callable[[], Mapping[str, float]] = dict
        self._take_unmatched: TakeUnmatched = dict
        self._unmatched = Unmatched(database.watched(self._watchdog))
        self._keys = Keys(database.watched(self._watchdog))
        self._noted = time.monotonic()
        self._state: ReplicaState | None = None
        self._ok_at = Epoch(0.0)  # when the spool was known to be empty
        self._is_warned = False
        self._is_heard = False  # whether the last heartbeat was written
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-heartbeat", daemon=True)

    async def __aenter__(self) -> "Heartbeat":
        """Write the first heartbeat, before spools are adopted. Raises DatabaseUnavailable."""
        await asyncio.to_thread(self._beat)
        self._adopted = frozenset(each.id for each in self._replicas if self._is_dead(each))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and delete the row if the spool is empty. The writer is closed by then."""
        self._stopped.set()
        await asyncio.to_thread(self._close)

    def start(
        self,
        is_spooling: Callable[[], bool],
        take_uses: Callable[[], Mapping[str, float]],
        take_unmatched: TakeUnmatched,
    ) -> None:
        """Start the thread. `is_spooling`: whether the spool holds completions, or spools are being adopted.

        `take_uses` and `take_unmatched`: when API keys were used last, and scores that matched no completion, which are
        noted every few seconds.
        """
        self._take_uses, self._take_unmatched = take_uses, take_unmatched
        self._is_spooling = is_spooling
        self._thread.start()

    def tell(self, state: ReplicaState) -> None:
        """Tell the others with the next heartbeat how this process is doing. From any thread."""
        self._state = state

    def may_be_spooled(self, created_at: float) -> bool:
        """Whether any replica's spool may hold a completion whose id was made at this time."""
        if self._is_spooling():
            return True
        now = self._clock.now()
        since = (_spooling_since(each, now) for each in self._replicas if each.id != self._own.id)
        return any(at is not None and created_at >= at - LONGEST_REQUEST_SECONDS for at in since)

    def is_kept_aside(self, completion_id: str) -> bool:
        """Whether the database refused the record of this completion, which an operator may have it take yet."""
        return completion_id in self._refused_ids

    def refused_count(self) -> int:
        """How many records the database refused, of all replicas."""
        return self._refused_count

    def replica_count(self) -> int:
        """How many processes served the ledger when the database was last heard, this one among them."""
        last = max((each.heartbeat_at for each in self._replicas), default=0.0)
        return max(sum(last - each.heartbeat_at <= OVERDUE_SECONDS for each in self._replicas), 1)

    @property
    def beats(self) -> int:
        """How many heartbeats were written: with each one it hears of the others, too."""
        return self._beats

    def remarks(self) -> list[str]:
        """What an operator should see to: clocks, and refused records."""
        return self._clock_remarks() + (
            [f"records that the database refused: {self._refused_count}; see `bandit-gateway records list`"]
            if self._refused_count
            else []
        )

    def _clock_remarks(self) -> list[str]:
        remarks, ahead = [], self._clock.ahead_seconds
        if abs(ahead) > CLOCK_SECONDS:
            which = "ahead of" if ahead > 0 else "behind"
            remarks.append(
                f"this machine's clock is {abs(ahead):,.0f} s {which} the database's: set it (events are recorded at "
                "the database's time)"
            )
        if self._latest is not None:
            remarks.append(
                f"requests are recorded as of {datetime.fromtimestamp(self._latest, UTC):%Y-%m-%d %H:%M} UTC, later "
                "than now: the database's clock was ahead, or is behind, and until then what is learned counts little; "
                "set the clock, and if it is right, run `bandit-gateway rebuild --move-back`"
            )
        return remarks

    def _run(self) -> None:
        was_spooling, beaten = True, time.monotonic()
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                is_spooling = self._update()
                if is_spooling == was_spooling and time.monotonic() - beaten < BEAT_SECONDS:
                    continue
                was_spooling, beaten = is_spooling, time.monotonic()
                self._beat()
            except DatabaseUnavailable as error:
                log.info("no heartbeat: %s", error)
            except Exception:  # the thread must outlive its own mistakes
                log.exception("no heartbeat")

    def _close(self) -> None:
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        # A row that stays, because the database is away, says what is true: its spool may hold completions.
        if self._is_heard:
            with contextlib.suppress(DatabaseUnavailable):
                if self._update():
                    self._beat()
                else:
                    self._note_uses()
                    self._store.remove(self._own.id)
        self._watchdog.close()

    def _update(self) -> bool:
        """Note whether the spool is used now, and since when. Returns whether."""
        now = self._clock.now()
        if not self._is_spooling():
            self._own, self._ok_at = replace(self._own, spooling_since=None), now
        elif self._own.spooling_since is None:
            self._own = replace(self._own, spooling_since=self._ok_at)
        return self._own.spooling_since is not None

    def _beat(self) -> None:
        gone = self._adopted if self._own.spooling_since is None else frozenset[str]()
        self._is_heard = False
        self._own = replace(self._own, state=self._state)
        self._replicas = self._store.beat(self._own, gone)
        self._beats += 1
        self._refused_count, self._latest = self._refused.count(), self._future.latest()
        self._refused_ids = self._refused.ids() if self._refused_count else frozenset()
        if time.monotonic() - self._noted >= NOTED_SECONDS:
            self._noted = time.monotonic()
            self._note_uses()
        self._is_heard = True
        self._warn()

    def _note_uses(self) -> None:
        uses = self._take_uses()
        if uses:
            self._keys.note_use(uses)
        self._unmatched.add(self._take_unmatched())

    def _warn(self) -> None:
        remarks = self._clock_remarks()
        if remarks and not self._is_warned:
            log.warning("%s", "; ".join(remarks))
        self._is_warned = bool(remarks)

    def _is_dead(self, other: Replica) -> bool:
        """Whether it was a process of this machine, with the same place for its spool, that lives no more."""
        own = self._own
        if other.id == own.id or (other.host, other.spool) != (own.host, own.spool):
            return False
        if other.pid == own.pid:  # as in a container, which was restarted
            return True
        try:
            os.kill(other.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass
        return False


def _spooling_since(replica: Replica, now: Epoch) -> float | None:
    if replica.spooling_since is not None:
        return replica.spooling_since
    return replica.heartbeat_at if now - replica.heartbeat_at > OVERDUE_SECONDS else None
