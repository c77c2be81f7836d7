"""What is wrong with the sections about collectors, beyond what each option tells by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from keeper.collectors.launch import is_user
from keeper.opentsdb.settings import why_not
from keeper.rules.metric import MetricRule

if TYPE_CHECKING:
    from keeper.settings import Settings


def mistakes(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """The section, the option (empty: the section itself) and a sentence, for each."""
    if settings.opentsdb is not None:
        option, why = why_not(settings.opentsdb)
        if why:
            yield "opentsdb", option, f"[opentsdb] {option}: {why}"
    general = settings.collectors
    if general is None:
        yield from _without_collectors(settings)
        return
    if not general.dir and not general.shipped:
        yield "collectors", "", "[collectors]: nothing to run; give it dir = /path, or shipped = load, memory, disk"
    added = len(general.tags) + ("host" not in dict(general.tags))
    if added >= general.max_tags:
        why = f"{added} tags are added to each point, which leaves none of its own"
        yield "collectors", "max_tags", f"[collectors] max_tags: {why}"
    for section, user in [("collectors", general.user), *((f"collector:{c.name}", c.user) for c in settings.collector)]:
        if user and not is_user(user):
            yield section, "user", f"[{section}] user: this host has no user {user!r}"


def _without_collectors(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for one in settings.collector:
        yield f"collector:{one.name}", "", f"[collector:{one.name}]: there is no [collectors]"
    for name, rule in settings.rules.items():
        if isinstance(rule, MetricRule):
            yield f"rule:{name}", "metric", f"[rule:{name}] metric: there is no [collectors]"
