"""Every backend of `protocols.sm2.arithmetic`, by name: what the tests run on."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.sm2.arithmetic import Arithmetic
from protocols.sm2.core import Core
from protocols.sm2.integers import Integers, fastest

ARITHMETICS: Mapping[str, Arithmetic] = {
    "core": Core(),
    "plain": Core(features=()),
    "gmpy2": fastest(),
    "integers": Integers(),
}
