"""What keeper wants of its collectors, and how it is told to the process that runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keeper.collectors.launch import Care


class Terms(NamedTuple):
    """`folder` may be empty: then only the `shipped` ones run, which are command lines by name. `cookie` marks all that
    they start as ours. `care` is for single ones, by name, `general` for all others. `disabled` are the names of those
    a person switched off. `evict`: seconds without a point after which a series is forgotten; `spread`: within how many
    seconds the first runs begin, if not within their intervals; `every`: seconds after which counts are told anew."""

    folder: str
    cookie: str
    general: Care = Care()
    care: Mapping[str, Care] = {}
    disabled: frozenset[str] = frozenset()
    shipped: Mapping[str, tuple[str, ...]] = {}
    max_series: int = 1000
    max_tags: int = 8
    more_tags: int = 0
    evict: float = 6000.0
    spread: float = float("inf")
    every: float = 15.0

    def words(self) -> tuple[Any, ...]:
        """As plain values."""
        care = {name: _plain(one) for name, one in self.care.items()}
        plain = self._replace(general=_plain(self.general), care=care, disabled=tuple(self.disabled))  # type: ignore[arg-type]
        return (*plain[:5], dict(self.shipped), *plain[6:])


def read_terms(words: tuple[Any, ...]) -> Terms:
    """What `words` made."""
    terms = Terms(*words)
    care = {name: Care(*one) for name, one in terms.care.items()}
    return terms._replace(general=Care(*terms.general), care=care, disabled=frozenset(terms.disabled))


def _plain(care: Care) -> tuple[Any, ...]:
    return (*care[:-1], dict(care.environment))
