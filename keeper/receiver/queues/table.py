"""The queues there are. A queue of another kind is a file here and two lines below.

What a queue needs is imported when it is configured: some of it are extras.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from keeper.core.source import Now
from keeper.errors import StateError
from keeper.receiver.queues.queue import Intake, Queue
from keeper.receiver.settings import BEANSTALKD, JETSTREAM, SEGMENTS, ReceiverSettings

Failed = Callable[[str], None]
"""Called from another thread when one of the queue's threads ended by a bug: the process should end."""


def make_queue(settings: ReceiverSettings, state_dir: str, now: Now, failed: Failed) -> Queue:
    """The server's end, not open yet."""
    return QUEUES[settings.queue[0]](settings, state_dir, now, failed)


def make_intake(settings: ReceiverSettings, state_dir: str, now: Now) -> Intake:
    """A worker's end."""
    return INTAKES[settings.queue[0]](settings, state_dir, now)


def refuse_to_forget(settings: ReceiverSettings, state_dir: str) -> None:
    """Raises StateError when the queue was another one before, in state_dir, and holds what was acknowledged: nobody
    would bring it into the store any more, and it would be said to be missing."""
    if settings.queue[0] == SEGMENTS:
        return
    from keeper.receiver.queues.segments.folder import waiting  # noqa: PLC0415

    folder = _folder(state_dir)
    try:
        records = waiting(folder)
    except OSError as error:
        raise StateError(f"{error.filename or folder} cannot be looked at: {error.strerror}") from error
    if records:
        count, are = ("1 record", "is") if records == 1 else (f"{records:,} records", "are")
        raise StateError(
            f"{folder} holds {count} of `queue = segments` that {are} not stored yet: set it back, let the workers "
            "store what waits (`keeper work` does), and change it then; or move the folder away"
        )


def _segment_queue(settings: ReceiverSettings, state_dir: str, now: Now, failed: Failed) -> Queue:
    from keeper.receiver.queues.segments.queue import SegmentQueue  # noqa: PLC0415 - as all of them

    return SegmentQueue(
        _folder(state_dir), queue_bytes=settings.queue_bytes, min_free=settings.min_free, now=now, failed=failed
    )


def _segment_intake(settings: ReceiverSettings, state_dir: str, now: Now) -> Intake:
    from keeper.receiver.queues.segments.intake import SegmentIntake, bell  # noqa: PLC0415 - as all of them

    return SegmentIntake(_folder(state_dir), now, bell())


def _folder(state_dir: str) -> Path:
    return Path(state_dir) / "receiver" / "queue"


def _beanstalkd_queue(settings: ReceiverSettings, _: str, now: Now, failed: Failed) -> Queue:
    from keeper.receiver.queues.beanstalkd import BeanstalkdQueue  # noqa: PLC0415
    from keeper.receiver.queues.beanstalkd_line import site_of  # noqa: PLC0415

    return BeanstalkdQueue(site_of(settings.queue[1]), settings.queue_bytes, now, failed)


def _beanstalkd_intake(settings: ReceiverSettings, _: str, __: Now) -> Intake:
    from keeper.receiver.queues.beanstalkd_intake import BeanstalkdIntake  # noqa: PLC0415
    from keeper.receiver.queues.beanstalkd_line import site_of  # noqa: PLC0415

    return BeanstalkdIntake(site_of(settings.queue[1]))


def _jetstream_queue(settings: ReceiverSettings, _: str, __: Now, failed: Failed) -> Queue:
    from keeper.receiver.queues.jetstream import JetStreamQueue  # noqa: PLC0415
    from keeper.receiver.queues.jetstream_link import site_of  # noqa: PLC0415

    site = site_of(settings.queue[1], settings.queue_user, settings.queue_password)
    return JetStreamQueue(site, settings.replicas, settings.queue_bytes, failed)


def _jetstream_intake(settings: ReceiverSettings, _: str, __: Now) -> Intake:
    from keeper.receiver.queues.jetstream_intake import JetStreamIntake  # noqa: PLC0415
    from keeper.receiver.queues.jetstream_link import site_of  # noqa: PLC0415

    return JetStreamIntake(site_of(settings.queue[1], settings.queue_user, settings.queue_password))


QUEUES: dict[str, Callable[[ReceiverSettings, str, Now, Failed], Queue]] = {
    SEGMENTS: _segment_queue,
    BEANSTALKD: _beanstalkd_queue,
    JETSTREAM: _jetstream_queue,
}
INTAKES: dict[str, Callable[[ReceiverSettings, str, Now], Intake]] = {
    SEGMENTS: _segment_intake,
    BEANSTALKD: _beanstalkd_intake,
    JETSTREAM: _jetstream_intake,
}
