"""Jobs and leases in one SQLite file: no acknowledged job is lost by a kill, and no job is run by two workers.

A claimed job stays in its table and has a lease, which expires unless it is renewed; then the job can be claimed again. Each claim
increments the job's token, and changes under an older token (from a worker that was suspended) are refused.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from gesso.serving.database import ServerDatabase
from gesso.serving.http_errors import HttpError, TooManyRequests, UnknownId
from gesso.serving.settings import Limits

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
STATES = (QUEUED, RUNNING, DONE, FAILED, CANCELLED)
LEASE = 20.0  # seconds for which a lease is valid without renewal
DEATHS = 3  # in a row without progress, after which a job has failed
OUT_OF_TIME = "minutes"  # `words` of a training that ended by its time limit: it may be resumed for as long again
RETRY = 30  # seconds after which a refused job may be tried again
MOST_SUMMARIES = 256  # held in memory

TABLES = """
create table if not exists jobs (
    id text primary key, owner text not null, kind text not null, title text not null, ask text not null, state text not null,
    made real not null, began real, ended real, attempt integer not null default 0, deaths integer not null default 0,
    token integer not null default 0, wanted text not null default '', client text, body text not null,
    done integer not null default 0, total integer not null default 0, begun_at integer not null default 0, since real,
    farthest integer not null default 0,
    words text not null default '', what text, fix text, num_failed integer not null default 0,
    unique (owner, client),
    check (state in ('queued', 'running', 'done', 'failed', 'cancelled')));
create index if not exists jobs_of on jobs (owner, made);
create index if not exists jobs_waiting on jobs (state, made);
create table if not exists leases (
    job text primary key references jobs (id) on delete cascade, worker text not null, token integer not null, until real not null);
"""
COLUMNS = (
    "id, kind, title, state, made, began, ended, attempt, wanted, done, total, begun_at, since, words, what, fix, num_failed, owner, token"
)


class Job(NamedTuple):
    """A row of the table. `done` of `total` is its progress; this attempt started at `since` with `begun_at` done."""

    id: str
    kind: str
    title: str
    state: str
    made: float
    began: float | None
    ended: float | None
    attempt: int
    wanted: str
    done: int
    total: int
    begun_at: int
    since: float | None
    words: str
    what: str | None
    fix: str | None
    num_failed: int
    owner: str
    token: int

    def to_json(self, now: float) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in ("id", "kind", "title", "state", "made", "began", "ended")}
        fields |= {"attempt": self.attempt, "done": self.done, "total": self.total}
        fields |= {"words": self.words, "num_failed": self.num_failed, "stopping": self.state == RUNNING and self.wanted == "cancel"}
        fields["error"] = None if self.what is None else {"what": self.what, "fix": self.fix}
        fields["seconds_left"] = self.seconds_left(now)
        return fields

    def seconds_left(self, now: float) -> float | None:
        """Estimated from the speed of this attempt; None while it is unknown."""
        if self.state != RUNNING or self.since is None or self.done <= self.begun_at or not self.total:
            return None
        return round((now - self.since) / (self.done - self.begun_at) * max(0, self.total - self.done), 1)


class LeaseLost(Exception):
    """Another worker has claimed this job: results of this one are discarded."""


class JobStore:
    """Usable from any thread and from several processes. `clock` gives seconds since 1970."""

    def __init__(self, path: Path, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self._rows, self._limits, self.clock = ServerDatabase(path, TABLES, shared=True), limits, clock
        self._summaries: dict[str, dict[str, Any]] = {}

    def close(self) -> None:
        self._rows.close()

    # For users

    def find_duplicate(self, owner: str, client: str | None, body: str) -> Job | None:
        """The job that an equal submission with this `client` key has made; HttpError 409 if the key was used for another job."""
        rows = self._rows.read(f"select {COLUMNS}, body from jobs where owner = ? and client = ?", (owner, client)) if client else []
        if rows and rows[0][-1] != body:
            conflict = HttpError("this key was used for another job", where="client", fix="give each job a key of its own")
            conflict.status = 409
            raise conflict
        return Job(*rows[0][:-1]) if rows else None

    def check_quota(self, owner: str) -> None:
        """TooManyRequests if this owner has reached the limit of waiting or stored jobs."""
        limits = self._limits
        waiting, kept = self._rows.read(
            "select coalesce(sum(state in ('queued', 'running')), 0), count(*) from jobs where owner = ?", (owner,)
        )[0]
        if waiting >= limits.jobs_waiting_each:
            raise TooManyRequests("you have many jobs waiting already", where="jobs", fix="let one end, or cancel one", retry_after=RETRY)
        if kept >= limits.jobs_kept_each:
            raise TooManyRequests(
                "there is no room for more of your jobs", where="jobs", fix="delete some: DELETE /api/jobs/…", retry_after=RETRY
            )

    def add(self, owner: str, id: str, kind: str, title: str, spec: dict[str, Any], *, total: int, client: str | None, body: str) -> Job:
        """Queue a job; it is on the disk when this returns. Repeating `client` and `body` returns the existing job."""
        with self._rows.writing() as rows:
            duplicate = self.find_duplicate(owner, client, body)
            if duplicate is not None:
                return duplicate
            self.check_quota(owner)
            rows.execute(
                "insert into jobs (id, owner, kind, title, ask, state, made, total, client, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (id, owner, kind, title, json.dumps(spec), QUEUED, self.clock(), total, client, body),
            )
        return self.get(owner, id)

    def get(self, owner: str, id: str) -> Job:
        rows = self._rows.read(f"select {COLUMNS} from jobs where owner = ? and id = ?", (owner, id))
        if not rows:
            raise UnknownId("there is no such job", where="id")
        return Job(*rows[0])

    def list(self, owner: str) -> list[Job]:
        """The owner's jobs, the latest first."""
        return [
            Job(*row) for row in self._rows.read(f"select {COLUMNS} from jobs where owner = ? order by made desc, rowid desc", (owner,))
        ]

    def spec(self, id: str) -> dict[str, Any]:
        """The validated submission."""
        rows = self._rows.read("select ask from jobs where id = ?", (id,))
        if not rows:
            raise UnknownId("there is no such job", where="id")
        spec: dict[str, Any] = json.loads(rows[0][0])
        return spec

    def spec_summary(self, id: str) -> dict[str, Any]:
        """The submission without its request, which may hold pictures; cached, as it is read with every poll for progress."""
        summary = self._summaries.get(id)
        if summary is None:
            summary = {name: value for name, value in self.spec(id).items() if name != "request"}
            if len(self._summaries) >= MOST_SUMMARIES:
                self._summaries.clear()
            self._summaries[id] = summary
        return summary

    def ids_of_same_owner(self, id: str) -> list[str]:
        """The ids of all jobs of the owner of this one."""
        return [row[0] for row in self._rows.read("select id from jobs where owner = (select owner from jobs where id = ?)", (id,))]

    def cancel(self, owner: str, id: str) -> Job:
        """Cancel a job: at once if it waits, within a step if it runs. An ended job does not change."""
        with self._rows.writing() as rows:
            job = self.get(owner, id)
            if job.state == QUEUED:
                rows.execute("update jobs set state = ?, ended = ? where id = ?", (CANCELLED, self.clock(), id))
            elif job.state == RUNNING:
                rows.execute("update jobs set wanted = 'cancel' where id = ?", (id,))
        return self.get(owner, id)

    def resume(self, owner: str, id: str) -> Job:
        """Requeue a job that was cancelled or failed, in whole or in part. A waiting or running job does not change."""
        with self._rows.writing() as rows:
            job = self.get(owner, id)
            if job.state in (QUEUED, RUNNING):
                rows.execute("update jobs set wanted = '' where id = ?", (id,))
                return self.get(owner, id)
            if job.state == DONE and not job.num_failed and job.words != OUT_OF_TIME:
                raise HttpError("it is done already", where="job")
            waiting = rows.execute("select count(*) from jobs where owner = ? and state in ('queued', 'running')", (owner,)).fetchone()[0]
            if waiting >= self._limits.jobs_waiting_each:
                raise TooManyRequests(
                    "you have many jobs waiting already", where="jobs", fix="let one end, or cancel one", retry_after=RETRY
                )
            rows.execute(
                "update jobs set state = ?, wanted = '', deaths = 0, farthest = 0, what = null, fix = null, ended = null where id = ?",
                (QUEUED, id),
            )
        return self.get(owner, id)

    def delete(self, owner: str, id: str) -> None:
        """Delete the row of an ended job."""
        with self._rows.writing() as rows:
            if self.get(owner, id).state in (QUEUED, RUNNING):
                refused = HttpError("it has not ended", where="job", fix="cancel it first")
                refused.status = 409
                raise refused
            rows.execute("delete from jobs where id = ?", (id,))

    def ids(self) -> set[str]:
        return {row[0] for row in self._rows.read("select id from jobs")}

    # For workers

    def claim(self, worker: str, at_once: int = 1) -> Job | None:
        """Claim the next job, or None: the oldest that waits or whose lease expired, of the owner with the fewest running jobs."""
        with self._rows.writing() as rows:
            now = self.clock()
            self._expire_leases(rows, now)
            if rows.execute("select count(*) from leases").fetchone()[0] >= at_once:
                return None
            row = rows.execute(
                "select id, owner, (select count(*) from jobs r where r.owner = j.owner and r.state = 'running') as busy from jobs j"
                " where state = 'queued' and busy < ? order by busy, made, rowid limit 1",
                (self._limits.jobs_running_each,),
            ).fetchone()
            if row is None:
                return None
            id, owner = row[:2]
            rows.execute(
                "update jobs set state = ?, token = token + 1, attempt = attempt + 1, began = coalesce(began, ?), since = null"
                " where id = ?",
                (RUNNING, now, id),
            )
            rows.execute("insert into leases select id, ?, token, ? from jobs where id = ?", (worker, now + LEASE, id))
            return self.get(owner, id)

    def _expire_leases(self, rows: Any, now: float) -> None:
        """Requeue jobs whose lease expired; cancel those with a pending cancel, fail those that killed too many workers."""
        for id in [row[0] for row in rows.execute("select job from leases where until < ?", (now,)).fetchall()]:
            self._fail_or_requeue(rows, id, now)

    def _fail_or_requeue(self, rows: Any, id: str, now: float) -> None:
        rows.execute("delete from leases where job = ?", (id,))
        rows.execute(
            "update jobs set deaths = deaths + 1, ended = case when wanted = 'cancel' or deaths + 1 >= ?1 then ?2 end,"
            " what = case when wanted != 'cancel' and deaths + 1 >= ?1 then 'its worker died ' || (deaths + 1) || ' times' end,"
            " state = case when wanted = 'cancel' then 'cancelled' when deaths + 1 >= ?1 then 'failed' else 'queued' end,"
            " wanted = '' where id = ?3 and state = 'running'",
            (DEATHS, now, id),
        )

    def worker_died(self, id: str, token: int) -> None:
        """Record that the worker of a job has ended without a result. No effect if another worker has claimed the job."""
        with self._rows.writing() as rows:
            if rows.execute("select 1 from leases where job = ? and token = ?", (id, token)).fetchone():
                self._fail_or_requeue(rows, id, self.clock())

    def renew(self, id: str, token: int, *, done: int | None = None, total: int | None = None, words: str = "") -> str:
        """Renew the lease, store the progress. Gives the pending order: "", "cancel" or "closing". LeaseLost if another worker has it."""
        with self._rows.writing() as rows:
            now = self.clock()
            renewed = rows.execute("update leases set until = ? where job = ? and token = ?", (now + LEASE, id, token))
            if not renewed.rowcount:
                raise LeaseLost
            if done is not None:
                rows.execute(
                    "update jobs set deaths = case when ?1 > farthest then 0 else deaths end, farthest = max(farthest, ?1),"
                    " done = ?1, total = ?2, words = ?3,"
                    " begun_at = case when since is null then ?1 else begun_at end,"
                    " since = coalesce(since, ?4) where id = ?5",
                    (done, total or 0, words[:200], now, id),
                )
            return str(rows.execute("select wanted from jobs where id = ?", (id,)).fetchone()[0])

    def request_requeue(self, id: str, token: int) -> None:
        """Ask its worker to save and requeue the job, as the server is about to end."""
        with self._rows.writing() as rows:
            rows.execute("update jobs set wanted = 'closing' where id = ? and token = ? and state = 'running' and wanted = ''", (id, token))

    def end(
        self, id: str, token: int, state: str, *, what: str | None = None, fix: str | None = None, num_failed: int = 0, words: str = ""
    ) -> None:
        """Store the final state of a job; `queued` requeues it. LeaseLost, without changes, if another worker has it."""
        with self._rows.writing() as rows:
            if not rows.execute("delete from leases where job = ? and token = ?", (id, token)).rowcount:
                raise LeaseLost
            wanted = rows.execute("select wanted from jobs where id = ?", (id,)).fetchone()[0]
            if state in (QUEUED, CANCELLED):  # the user may have cancelled or resumed the job while it stopped, so the current order counts
                state = CANCELLED if wanted == "cancel" else QUEUED
            ended = None if state == QUEUED else self.clock()
            rows.execute(
                "update jobs set state = ?, ended = ?, what = ?, fix = ?, num_failed = ?, words = ?, wanted = '', deaths = 0 where id = ?",
                (state, ended, what, fix, num_failed, words[:200], id),
            )

    def holds(self, id: str, token: int) -> bool:
        return bool(self._rows.read("select 1 from leases where job = ? and token = ?", (id, token)))

    def has_work(self) -> bool:
        """Whether any job could be claimed, now or when a lease expires."""
        return bool(self._rows.read("select 1 from jobs where state in ('queued', 'running') limit 1"))


def new_id() -> str:
    return secrets.token_urlsafe(16)
