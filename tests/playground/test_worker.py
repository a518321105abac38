"""The thread that trains, and the feeds of pages."""

from __future__ import annotations

import threading

import msgspec
import pytest

from symfuse.playground.session import Session
from symfuse.playground.settings import Settings
from symfuse.playground.worker import Feed, Worker


@pytest.fixture
def worker(programs):
    made = Worker(Session(Settings(), programs))
    yield made
    made.close()


def test_a_slow_page_gets_the_newest_of_each_kind_in_order():
    feed = Feed()
    feed.put({"state": b"1", "frame": b"1"})
    feed.put({"frame": b"2"})
    feed.put({"state": b"3", "frame": b"3"})
    feed.put({"frame": b"4"})
    assert list(next(feed.events(1.0)).items()) == [("state", b"3"), ("frame", b"4")]


def test_a_feed_without_news_says_so_and_ends_when_it_is_closed():
    feed = Feed()
    events = feed.events(0.001)
    assert next(events) == {}
    feed.put({"live": b"1"})
    feed.close()
    assert list(events) == []


def test_all_work_is_done_in_one_thread(worker):
    seen = []
    for _ in range(3):
        worker.do(lambda _: seen.append(threading.current_thread()))
    assert len(set(seen)) == 1
    assert seen[0] is not threading.current_thread()


def test_what_a_task_raises_comes_back(worker):
    with pytest.raises(ZeroDivisionError):
        worker.do(lambda _: 1 // 0)
    worker.do(lambda session: session.advance(1))
    assert worker._session.steps == 1


def test_playing_and_pausing_quickly_keeps_one_turn(worker):
    waiting = []
    with worker.watched():
        for _ in range(10):
            worker.play()
            worker.play(False)
            worker.play()
        worker.do(lambda _: waiting.append(worker._thread._work_queue.qsize()))
    assert waiting[0] <= 1


def test_an_error_while_training_stops_and_is_told(worker, monkeypatch):
    def fail():
        raise OSError("the disk is full")

    monkeypatch.setattr(worker._session, "play", fail)
    with worker.watched() as feed:
        worker.play()
        for events in feed.events(5.0):
            live = msgspec.json.decode(events["live"])
            if live["trouble"]:
                break
    assert live["trouble"]["what"] == "OSError: the disk is full"
    assert live["playing"] is False


def test_numbers_that_are_none_become_null(programs):
    session = Session(Settings(data="plane", layers=()), programs)
    frame = msgspec.structs.replace(session.frame(), train_loss=float("nan"))
    assert msgspec.json.decode(msgspec.json.encode(frame))["train_loss"] is None
