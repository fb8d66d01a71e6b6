"""Jobs and leases under a clock that the test turns: nothing is forgotten, nothing is done by two, and old tokens change nothing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra gesso[studio] is not installed")

from gesso.serving.http_errors import HttpError, TooManyRequests, UnknownId
from gesso.serving.jobs.store import CANCELLED, DEATHS, DONE, FAILED, LEASE, QUEUED, RUNNING, Job, JobStore, LeaseLost, new_id
from gesso.serving.settings import Limits


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[JobStore]:
    made = JobStore(tmp_path / "jobs.sqlite", Limits(), clock)
    yield made
    made.close()


def add(store: JobStore, owner: str = "ann", client: str | None = None, body: str = "b", **more: Any) -> Job:
    return store.add(owner, new_id(), more.pop("kind", "batch"), "t", {"recipe": "x"}, total=more.pop("total", 5), client=client, body=body)


def take(store: JobStore, worker: str = "w", at_once: int = 1) -> Job:
    job = store.claim(worker, at_once)
    assert job is not None
    return job


def test_a_job_is_queued_taken_and_done(store: JobStore, clock: Clock):
    made = add(store)
    assert made.state == QUEUED and store.spec(made.id) == {"recipe": "x"} and store.has_work()
    job = take(store)
    assert job.id == made.id and job.state == RUNNING and job.token == 1 and job.attempt == 1 and job.began == clock.now
    assert store.renew(job.id, job.token, done=2, total=5, words="two") == ""
    clock.now += 10
    store.renew(job.id, job.token, done=4, total=5, words="four")
    assert store.get("ann", job.id).seconds_left(clock.now) == 5.0
    store.end(job.id, job.token, DONE, num_failed=1)
    told = store.get("ann", job.id).to_json(clock.now)
    assert told["state"] == DONE and told["num_failed"] == 1 and told["ended"] == clock.now and told["seconds_left"] is None
    assert not store.has_work() and store.claim("w") is None


def test_the_same_asking_gives_the_same_job(store: JobStore):
    one, two = add(store, client="k"), add(store, client="k")
    assert one.id == two.id and len(store.list("ann")) == 1
    assert add(store, owner="bob", client="k").id != one.id, "another's key is another's"
    with pytest.raises(HttpError) as refused:
        add(store, client="k", body="otherwise")
    assert refused.value.status == 409
    assert add(store).id != add(store).id, "without a key each is its own"


def test_a_lease_that_ran_out_is_taken_again_and_the_old_worker_changes_nothing(store: JobStore, clock: Clock):
    add(store)
    old = take(store, "old")
    clock.now += LEASE - 1
    assert store.claim("new") is None, "it is held still"
    clock.now += 2
    new = take(store, "new")
    assert new.id == old.id and new.token == old.token + 1 and new.attempt == 2
    for late in (lambda: store.renew(old.id, old.token, done=5, total=5), lambda: store.end(old.id, old.token, DONE)):
        with pytest.raises(LeaseLost):
            late()
    store.worker_died(old.id, old.token)
    assert store.get("ann", old.id).state == RUNNING and store.get("ann", old.id).done == 0
    store.renew(new.id, new.token)
    store.end(new.id, new.token, DONE)
    with pytest.raises(LeaseLost):
        store.end(new.id, new.token, FAILED, what="twice")


def test_a_renewed_lease_holds(store: JobStore, clock: Clock):
    add(store)
    job = take(store)
    for _ in range(10):
        clock.now += LEASE - 1
        store.renew(job.id, job.token)
        assert store.claim("other") is None


def test_a_job_that_kills_its_workers_fails_at_last(store: JobStore):
    add(store)
    for _ in range(DEATHS):
        job = take(store)
        store.worker_died(job.id, job.token)
    told = store.get("ann", job.id)
    assert told.state == FAILED and told.what == f"its worker died {DEATHS} times" and store.claim("w") is None
    assert store.resume("ann", job.id).state == QUEUED and take(store).attempt == DEATHS + 1


def test_a_job_that_comes_farther_each_time_is_not_given_up(store: JobStore):
    add(store)
    for turn in range(DEATHS + 2):
        job = take(store)
        store.renew(job.id, job.token, done=turn + 1, total=9)
        store.worker_died(job.id, job.token)
    assert store.get("ann", job.id).state == QUEUED


def test_a_job_that_begins_anew_each_time_and_dies_at_the_same_place_fails_at_last(store: JobStore):
    add(store)
    for _ in range(DEATHS):
        job = take(store)
        for done in (1, 2, 3):
            store.renew(job.id, job.token, done=done, total=9)
        store.worker_died(job.id, job.token)
    assert store.get("ann", job.id).state == FAILED


def test_a_put_back_job_is_no_death(store: JobStore):
    add(store)
    for _ in range(DEATHS + 2):
        job = take(store)
        store.end(job.id, job.token, QUEUED)
    assert store.get("ann", job.id).state == QUEUED


def test_cancelling(store: JobStore, clock: Clock):
    waits = add(store)
    assert store.cancel("ann", waits.id).state == CANCELLED and store.claim("w") is None
    add(store)
    job = take(store)
    assert store.cancel("ann", job.id).to_json(clock.now)["stopping"] is True
    assert store.renew(job.id, job.token) == "cancel"
    store.end(job.id, job.token, CANCELLED)
    assert store.get("ann", job.id).state == CANCELLED
    assert store.cancel("ann", job.id).state == CANCELLED, "again is no harm"
    store.resume("ann", job.id)
    again = take(store)
    assert again.id == job.id and store.renew(again.id, again.token) == "", "what was wanted before is wanted no more"
    store.cancel("ann", job.id)
    clock.now += LEASE + 1
    assert store.claim("w") is None and store.get("ann", job.id).state == CANCELLED, "a dead worker's job is cancelled too"


def test_who_thinks_better_of_cancelling_gets_the_job_done(store: JobStore):
    job = add(store)
    taken = take(store)
    store.cancel("ann", job.id)
    assert store.renew(taken.id, taken.token) == "cancel"
    assert store.resume("ann", job.id).state == RUNNING, "it is stopping, and is to go on"
    store.end(taken.id, taken.token, CANCELLED)
    assert store.get("ann", job.id).state == QUEUED
    again = take(store)
    store.end(again.id, again.token, DONE)
    assert store.get("ann", job.id).state == DONE


def test_what_is_asked_for_often_is_told_without_the_pictures(store: JobStore):
    job = store.add("ann", new_id(), "fit", "t", {"recipe": "x", "request": {"conditions": "large"}}, total=0, client=None, body="b")
    assert store.spec_summary(job.id) == {"recipe": "x"} and store.spec(job.id)["request"] == {"conditions": "large"}
    with pytest.raises(UnknownId):
        store.spec(new_id())
    assert store.ids_of_same_owner(job.id) == [job.id] and store.ids_of_same_owner("nothing") == []


def test_done_is_done_unless_some_failed(store: JobStore):
    add(store)
    job = take(store)
    store.end(job.id, job.token, DONE)
    with pytest.raises(HttpError, match="done already"):
        store.resume("ann", job.id)
    add(store)
    job = take(store)
    store.end(job.id, job.token, DONE, num_failed=2)
    assert store.resume("ann", job.id).state == QUEUED


def test_only_so_many_run_and_owners_take_turns(store: JobStore):
    for _ in range(3):
        add(store, "ann")
    add(store, "bob")
    first = take(store)
    assert first.owner == "ann" and store.claim("w") is None, "one at a time"
    second = take(store, at_once=3)
    assert second.owner == "bob", "ann has one running, and may have one"
    assert store.claim("w", 3) is None


def test_too_many_are_refused_with_when_to_come_again(tmp_path: Path, clock: Clock):
    store = JobStore(tmp_path / "jobs.sqlite", replace(Limits(), jobs_waiting_each=2, jobs_kept_each=4), clock)
    add(store), add(store, client="k")
    with pytest.raises(TooManyRequests) as refused:
        add(store)
    assert refused.value.retry_after and add(store, client="k").state == QUEUED, "who repeats is not refused"
    add(store, owner="bob")
    for _ in range(2):
        job = take(store)
        store.end(job.id, job.token, DONE)
    add(store), add(store)
    for job in store.list("ann"):
        store.cancel("ann", job.id)
    with pytest.raises(TooManyRequests, match="no room"):
        add(store)
    store.delete("ann", store.list("ann")[0].id)
    add(store)
    store.close()


def test_strangers_see_nothing(store: JobStore):
    job = add(store)
    assert store.list("bob") == []
    for one in (store.get, store.cancel, store.resume, store.delete):
        with pytest.raises(UnknownId):
            one("bob", job.id)


def test_what_runs_is_not_deleted(store: JobStore):
    add(store)
    job = take(store)
    with pytest.raises(HttpError, match="not ended"):
        store.delete("ann", job.id)


def test_two_processes_never_take_one_job(store: JobStore, tmp_path: Path, clock: Clock):
    for _ in range(20):
        add(store, owner=new_id().lower().replace("-", "x"))
    taken: list[str] = []

    def work() -> None:
        mine = JobStore(tmp_path / "jobs.sqlite", Limits(), clock)
        while (job := mine.claim("w", 100)) is not None:
            taken.append(job.id)
        mine.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(taken) == 20 == len(set(taken))


def test_it_is_durable(tmp_path: Path, store: JobStore):
    job = add(store)
    with sqlite3.connect(tmp_path / "jobs.sqlite") as other:
        assert other.execute("select state from jobs where id = ?", (job.id,)).fetchone() == (QUEUED,)
        assert other.execute("pragma journal_mode").fetchone() == ("wal",)
    assert store._rows.read("pragma synchronous") == [(2,)], "FULL"
