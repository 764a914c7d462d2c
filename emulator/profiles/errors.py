"""What can be wrong with a profile, each as one line that names the profile and the field."""

from __future__ import annotations

from protocols.errors import VukeyError
from protocols.i18n import N_


class ProfileError(VukeyError):
    """A profile that does not exist or is not right.

    `values` names the profile, and where a field is to blame its dotted path ("pin.user.tries").
    """


UNKNOWN_PROFILE = N_("there is no profile {profile}; the known ones are: {known}")
BAD_NAME = N_("{profile} is no name for a profile: use small letters, digits and single hyphens")
UNREADABLE = N_("profile {profile}: cannot read {file}: {reason}")
NOT_TOML = N_("profile {profile}: {file} is not TOML: {reason}")
UNKNOWN_PARENT = N_("profile {profile}: extends names {parent}; the known ones are: {known}")
CYCLE = N_("profile {profile}: extends goes round in a circle at {file}")
MISSING = N_("profile {profile}: {path} is missing")
UNKNOWN_FIELD = N_("profile {profile}: {path} is not a field; the fields here are: {known}")
WRONG_TYPE = N_("profile {profile}: {path} must be of the type {wanted}")
NO_SOURCE = N_('profile {profile}: {path} has no source; write {{ value = ..., source = "assumed" }}')
BAD_SOURCE = N_(
    'profile {profile}: the source of {path} is {source}; use fact ids ("C5, C2"), "standard" or "assumed"'
)
NOT_A_CHOICE = N_("profile {profile}: {path} is {found}; choose from: {known}")
OUT_OF_RANGE = N_("profile {profile}: {path} is {found}; it must be from {low} to {high}")
BAD_LENGTH = N_("profile {profile}: {path} must be from {low} to {high} characters (or bytes) long")
NOT_ASCII = N_("profile {profile}: {path} must be printable ASCII")
BAD_ATR = N_("profile {profile}: {path} is not a well-formed answer to reset (ISO/IEC 7816-3)")
BAD_PATTERN = N_("profile {profile}: {path} is not a regular expression: {reason}")
TEMPLATE_MISFIT = N_("profile {profile}: {path} makes {serial}, which serial_pattern refuses")
BAD_SERIAL = N_("the serial number {serial} does not fit profile {profile}; it must match {pattern}")
WEAK_READY_PIN = N_("profile {profile}: {path} must not be a run, all equal, or the initial PIN")
UNDRAWABLE = N_("profile {profile}: {path} holds a character that {charset} does not have")
REPEATED = N_("profile {profile}: {path} names something twice")
NEEDS = N_("profile {profile}: {path} = {found} does not go without {needed}")
