"""What a reader of the key's events is given."""

from __future__ import annotations

import asyncio

from emulator.control.events import Feed


async def _pieces(feed: Feed) -> list[bytes]:
    return [piece async for piece in feed]


def test_what_has_come_goes_out_in_one_piece() -> None:
    """One write for each turn of the loop, which else warns of every write to a reader that has just gone."""
    feed = Feed(frozenset({"screen"}))
    for event in (b"1", b"2", b"3"):
        assert feed.put(event)
    feed.end()
    assert asyncio.run(_pieces(feed)) == [b"123"]


def test_a_reader_that_is_too_slow_loses_the_first_and_ends() -> None:
    feed = Feed(frozenset({"screen"}))
    put = 0
    while feed.put(b"x"):
        put += 1
    feed.end()
    assert asyncio.run(_pieces(feed)) == [b"x" * (put - 1)]
