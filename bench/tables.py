"""Results as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from bench.beside_speculos import Footprint
from bench.ratios import Result
from bench.usb import TARGET, RoundTrips, Times

if TYPE_CHECKING:
    from bench.wireless import Wireless

_START_LIMIT_S = 0.3
_FURTHER_KEY_LIMIT = 1e6


def print_floors(results: Sequence[Result], start: float) -> None:
    """The key beside its floors, and how long it takes to start."""
    table = _comparisons(results, "key /s", "floor /s")
    limit = f"< {_START_LIMIT_S} s"
    table.add_row("import → first GetDevInfo of a blank key", "", "", f"{start:.3f} s", limit)
    Console().print(table)


def print_sm2(results: Sequence[Result], first_use: float, caption: str) -> None:
    """SM2 beside others; the caption says where and with what."""
    table = _comparisons(results, "first /s", "second /s")
    table.add_row("first key and signature", "", "", f"{1000 * first_use:.1f} ms")
    table.caption, table.caption_justify = caption, "left"
    Console().print(table)


def print_skf(results: Sequence[Result], caption: str) -> None:
    """Calls and signatures through libskf beside others; the caption says where and with what."""
    table = _comparisons(results, "libskf /s", "beside /s")
    table.caption, table.caption_justify = caption, "left"
    Console().print(table)


def print_beside_speculos(results: Sequence[Result], footprint: Footprint, peer: str) -> None:
    """The key's control API beside that of Speculos."""
    table = Table("medians, interleaved", "key", peer, "ratio")
    for result in results:
        key, other = (_pace(result.rates[label]) for label in ("key", "floor"))
        table.add_row(result.name, key, other, f"{_judged(result)} {_target(result)}")
    table.add_row("memory of one more process", _size(footprint.process), _size(footprint.peer))
    mark = _mark(footprint.key < _FURTHER_KEY_LIMIT)
    table.add_row("memory of one more key", f"{_size(footprint.key)} {mark} < {_size(_FURTHER_KEY_LIMIT)}")
    Console().print(table)


def print_usb(results: Sequence[RoundTrips]) -> None:
    """The key on USB beside the bare responder."""
    table = Table(
        "round trip, interleaved", "key p50, p99", "bare p50, p99", "bare / key", "target", "key's share"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for result in results:
        ratios = ", ".join(f"{ratio:.2f} {_mark(ratio >= TARGET)}" for ratio in result.ratios)
        times = (_two_times(each) for each in (result.key, result.bare))
        table.add_row(result.name, *times, ratios, f"≥ {TARGET:g}", f"{result.share:.0%}")
    table.caption = (
        "ms in a guest, where programs are 13 to 19 times as slow; share: processor time of the key's process"
    )
    table.caption_justify = "left"
    Console(width=110).print(table)


def print_wireless(results: Sequence[Wireless]) -> None:
    """The key by Bluetooth and on a serial line."""
    table = Table(
        "in one process", "APDUs /s", "bare /s", "ratio", "signatures /s", "direct /s", "press → signature"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for result in results:
        apdus, signatures = (
            (f"{each.rates['key']:,.0f}", f"{each.rates['floor']:,.0f}")
            for each in (result.exchanges, result.signatures)
        )
        p50, p99 = (f"{1000 * seconds:.1f}" for seconds in result.press_s)
        table.add_row(result.name, *apdus, f"{result.exchanges.ratio:.2f}", *signatures, f"{p50}, {p99} ms")
    table.caption = "GenRandom(8); SM2 of a digest; from OK to the signature of a transfer, p50 and p99"
    table.caption_justify = "left"
    Console(width=110).print(table)


def _two_times(times: Times) -> str:
    return f"{1000 * times.p50:.2f}, {1000 * times.p99:.2f}"


def _comparisons(results: Sequence[Result], key: str, floor: str) -> Table:
    table = Table("medians of interleaved runs", key, floor, "ratio", "target")
    for column in table.columns[1:4]:
        column.justify = "right"
    for for_information in (False, True):
        for result in results:
            if (result.target is None) is for_information:
                rates = (f"{result.rates[label]:,.0f}" for label in ("key", "floor"))
                table.add_row(result.name, *rates, _judged(result), _target(result))
        table.add_section()
    return table


def _judged(result: Result) -> str:
    ratio = f"{result.ratio:.3g}" if result.ratio >= 10 else f"{result.ratio:.3f}"
    return ratio if result.reached is None else f"{ratio} {_mark(result.reached)}"


def _target(result: Result) -> str:
    return "" if result.target is None else f"≥ {result.target:g}"


def _mark(reached: bool) -> str:
    return "✓" if reached else "✗"


def _pace(rate: float) -> str:
    return f"{1000 / rate:,.2f} ms, {rate:,.0f}/s"


def _size(bytes_: float) -> str:
    return f"{bytes_ / 1e6:,.2f} MB"
