"""An emulated key driven through our SKF library, which reaches it over its unix socket."""

from __future__ import annotations

from typing import NoReturn

from hostdriver.cli.skf import library
from protocols.dialect import DEFAULT
from protocols.i18n import N_
from vukey_testing.errors import skip
from vukey_testing.targets import NoReaderError, UnixSocket


class SkfLibrary(UnixSocket):
    """The target `skf`."""

    def plug(self) -> None:
        """See `Wire.plug`.

        :raises MissingComponentError: the library was not built.
        :raises NoReaderError: the model speaks a dialect that a bare path does not tell.
        """
        library()
        dialect = self._shared.device.profile.dialect
        if dialect != DEFAULT.name:
            raise NoReaderError(
                N_("at a bare socket the SKF library speaks {default}, and this model {dialect}"),
                default=DEFAULT.name, dialect=dialect,
            )  # fmt: skip
        super().plug()

    @property
    def token(self) -> str:
        """See `Wire.token`."""
        return f"skf:{library()}:socket:{self.path}"

    def open(self) -> NoReturn:
        """See `Wire.open`: the library alone has the key."""
        refuse_apdus("skf")


def refuse_apdus(target: str) -> NoReturn:
    """Skip a test that sends APDUs itself."""
    skip(
        N_("the test sends APDUs itself, and --token {target} goes through a library: use the fixture token"),
        target=target,
    )
