"""Work over data of any length: Init, then all at once, or Update for each piece and Final (GM/T 0017 §9.6)."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

from hostdriver.gmt.device import DeviceCommands
from hostdriver.gmt.wire import ALL
from protocols.gmt import Ins


class Series(NamedTuple):
    """The commands of one kind of work.

    :param answers: whether Update answers data.
    """

    init: Ins
    whole: Ins
    update: Ins
    final: Ins
    answers: bool


class StreamCommands(DeviceCommands):
    """What ciphers, MACs and digests have in common."""

    @cached_property
    def _max_data(self) -> int:
        return self.device_info().max_apdu_data

    def work(self, series: Series, data: bytes, start: bytes, handles: bytes = b"", p2: int = 0) -> bytes:
        """What comes of the data: in one command where the key's MaxApduDataLen allows, else piece by piece.

        :param start: Init's data after the handles; `p2` is Init's too.
        """
        room = self._max_data - len(handles)
        self.send(series.init, handles + start, p2=p2)
        if len(data) <= room:
            return self.send(series.whole, handles + data, le=ALL)
        le = ALL if series.answers else None
        pieces = [data[at : at + room] for at in range(0, len(data), room)]
        answers = [self.send(series.update, handles + piece, le=le) for piece in pieces]
        return b"".join((*answers, self.send(series.final, handles, le=ALL)))
