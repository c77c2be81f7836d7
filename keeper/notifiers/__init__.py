"""Who is told of alerts, made from its settings. A new kind of receiver is one file and one line here."""

from __future__ import annotations

from typing import NamedTuple

from keeper.core.notice import Notifier
from keeper.core.options import shown_url
from keeper.core.source import Now
from keeper.notifiers.alertmanager import PATH, Alertmanager
from keeper.notifiers.post import Poster, basic, bearer
from keeper.notifiers.webhook import Webhook
from keeper.settings import AlertmanagerSettings, WebhookSettings


class Target(NamedTuple):
    """A receiver. `name` is the same over restarts and a change of password, and fit for labels and pages: what is
    owed is stored under it."""

    name: str
    notifier: Notifier


def targets_of_alertmanager(settings: AlertmanagerSettings, now: Now) -> list[Target]:
    """One for every instance."""
    login = bearer(settings.token) if settings.token else ""
    if settings.username:
        login = basic(settings.username, settings.password)
    return [
        Target(
            shown_url(url),
            Alertmanager(
                Poster(url + PATH, now, timeout=settings.timeout, authorization=login, ca_file=settings.ca_file),
                now,
                settings.interval,
            ),
        )
        for url in settings.urls
    ]


def target_of_webhook(settings: WebhookSettings, now: Now) -> Target:
    """Named after its section: the address of a webhook is often its password."""
    return Target(
        f"webhook:{settings.name}", Webhook(Poster(settings.url, now, timeout=settings.timeout), settings.secret)
    )
