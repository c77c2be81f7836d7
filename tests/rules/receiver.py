"""A receiver as its answers show it, by literals. All times are seconds after T0."""

from __future__ import annotations

from keeper.core.receiver_event import ReceiverAnswer
from tests.rules.build import T0, Scene

WELL = ReceiverAnswer(
    at=T0, took=0.003, started=1000.0, up=7200.0, records=0, size=0, limit=1 << 30, oldest=None, lost=0, trouble="",
    workers=4, running=4, looping=0, deaths=0, death="", hindered=0, hindrance="", refused=0, set_aside=0,
    aside="/var/lib/keeper/receiver/dead", watched=0, silent=0, quiet=(), awaiting=0, awaited=(),
)  # fmt: skip


def answer(time: float, **told: object) -> ReceiverAnswer:
    """A well receiver's, but for what is told; `oldest` in seconds after T0, too."""
    if isinstance(oldest := told.get("oldest"), int | float):
        told["oldest"] = T0 + oldest
    return WELL._replace(at=T0 + time, **told)  # type: ignore[arg-type]  # fields of it


def receiver(*answers: ReceiverAnswer) -> Scene:
    """One that is asked since long, and was last when the last answer came."""
    return told(Scene(kind="receiver", sources={"status"}, started=-3600).sees("status", -3600), *answers)


def told(scene: Scene, *answers: ReceiverAnswer) -> Scene:
    for one in answers:
        scene.take(one).sees("status", one.at - T0)
    return scene
