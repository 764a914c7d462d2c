"""A key's reader, by the names that pcsc-lite gives to readers."""

from __future__ import annotations

from hostdriver.transport.pcsc import KeyReader

KEY, OTHER = "ICBC U-Shield [CCID Interface] (5200000001)", "ICBC U-Shield [CCID Interface] (5200000002)"
NO_SERIAL = "Feitian ePass2003"


def test_back_in_its_reader() -> None:
    reader = KeyReader(f"{KEY} 00 00")
    assert not reader.is_gone([f"{OTHER} 01 00", f"{KEY} 00 00"])
    assert reader.is_back([f"{KEY} 00 00"])
    assert reader.is_gone([f"{OTHER} 01 00"])
    assert not reader.is_back([f"{OTHER} 01 00"])
    assert reader.is_back([f"{OTHER} 01 00", f"{KEY} 00 00"])
    assert reader.name == f"{KEY} 00 00"


def test_back_in_a_reader_of_another_number() -> None:
    reader = KeyReader(f"{KEY} 00 00")
    assert reader.is_gone([])
    assert not reader.is_back([f"{OTHER} 00 00"])
    assert reader.is_back([f"{OTHER} 00 00", f"{KEY} 1F 00"])
    assert reader.name == f"{KEY} 1F 00"
    assert reader.is_gone([f"{KEY} 00 00"])


def test_keys_that_tell_no_serial_number() -> None:
    reader = KeyReader(f"{NO_SERIAL} 01 00")
    assert reader.is_gone([f"{NO_SERIAL} 00 00"])
    assert not reader.is_back([f"{NO_SERIAL} 00 00"])
    assert not reader.is_back([])
    assert reader.is_back([f"{NO_SERIAL} 00 00"])
    assert reader.name == f"{NO_SERIAL} 00 00"


def test_another_slot_is_another_reader() -> None:
    reader = KeyReader("Virtual PCD 00 00")
    assert reader.is_gone(["Virtual PCD 00 01"])
    assert not reader.is_back(["Virtual PCD 00 01", "Virtual PCD"])
    assert reader.is_back(["Virtual PCD 00 01", "Virtual PCD 00 00"])
