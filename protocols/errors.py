"""The base of every error: one clear line to a person, a type to a program."""

from __future__ import annotations

from collections.abc import Callable

from protocols.i18n import _


class VukeyError(Exception):
    """A failure told in one line.

    :param message: an English template marked with ``N_``; ``str(error)`` is its English text.
    :param values: what the template's ``{names}`` stand for; never a PIN or a key.
    """

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values

    def localized(self, translate: Callable[[str], str] = _) -> str:
        """The line in another language; an error among the values in that language too.

        :param translate: into the language; without it, that of the person's locale.
        """
        values = {
            name: value.localized(translate) if isinstance(value, VukeyError) else value
            for name, value in self.values.items()
        }
        return translate(self.message).format(**values)


class ProtocolError(VukeyError):
    """Bytes that do not follow the protocol: the only error that a decoder raises."""


class MissingPackageError(VukeyError):
    """An optional package is not installed; the message says what to install."""
