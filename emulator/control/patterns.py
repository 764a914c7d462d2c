"""Regular expressions from outside, none of which can keep the process busy.

Python's matcher holds the interpreter while it works, so that a pattern like ``(a+)+$`` would stop the key's wire,
in whatever thread it runs. What can grow without bound on a screen's text is refused: repeated groups, references
back, and more than a few repeats.
"""

from __future__ import annotations

import re
import warnings

from protocols.errors import VukeyError
from protocols.i18n import N_

MAX_LENGTH = 200
_MOST_REPEATS = 3
_MOST_CHOICES = 6

_TOKEN = re.compile(
    r"""(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])
      | (?P<back>\\[1-9] | \(\?P=)
      | \\.
      | (?P<strange>\(\?(?!:|=|!|<=|<!|P<\w+>))
      | \((?:\?(?::|=|!|<=|<!|P<\w+>))?
      | (?P<group_repeat>\)(?:[*+]|\{))
      | (?P<choice>\||\?)
      | (?P<repeat>[*+]|\{)
      | .""",
    re.VERBOSE | re.DOTALL,
)


class PatternError(VukeyError):
    """The pattern is not taken."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """A pattern that a client sent.

    :raises PatternError: too long, no regular expression, or one that could take for ever.
    """
    if len(text) > MAX_LENGTH:
        raise PatternError(N_("the regular expression is longer than {most} characters"), most=MAX_LENGTH)
    found = [match.lastgroup for match in _TOKEN.finditer(text)]
    if {"back", "strange", "group_repeat"} & set(found):
        raise PatternError(
            N_("the regular expression repeats a group, refers back or sets flags: write it plainer")
        )
    if found.count("repeat") > _MOST_REPEATS or found.count("choice") > _MOST_CHOICES:
        raise PatternError(
            N_("the regular expression has too many repeats or alternatives: write it plainer")
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return re.compile(text)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise PatternError(N_("no regular expression: {reason}"), reason=str(error)) from None
