"""A worker's end of beanstalkd. What a connection has reserved is given to others as soon as it ends."""

from __future__ import annotations

import contextlib
import math

import greenstalk

from keeper.errors import SourceError
from keeper.receiver.queues.beanstalkd_line import PATIENCE, WRONG, Line, Site, said
from keeper.receiver.queues.queue import Batch
from keeper.receiver.queues.wrap import unwrap


class BeanstalkdIntake:
    """Jobs are not touched. From a worker that waits for its store longer than TTR they may go to another, which does
    no harm. From a host that was lost without a word they come back after TTR, or when beanstalkd's system finds the
    connection dead: 1.12 forgets TTR for as long as other connections wait again and again, or touch jobs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._line = Line(site)
        self._spare: greenstalk.Job[bytes] | None = None  # taken, but too large for the batch before

    def take(self, most: int, most_bytes: int, wait: float) -> Batch | None:
        try:
            return self._take(self._line.dial(), most, most_bytes, wait)
        except WRONG as error:
            raise self._lost(error) from error

    def _take(self, client: greenstalk.Client[bytes], most: int, most_bytes: int, wait: float) -> Batch | None:
        ids: list[int] = []
        records: list[bytes] = []
        size = 0
        while len(records) < most:
            # beanstalkd knows whole seconds.
            job = self._spare or self._reserve(client, 0 if records else math.ceil(wait))
            if job is None:
                break
            record = unwrap(job.body)
            size += len(record)
            if records and size > most_bytes:
                self._spare = job
                break
            self._spare = None
            ids.append(job.id)
            records.append(record)
        return Batch(records, (client, ids)) if records else None

    def _reserve(self, client: greenstalk.Client[bytes], wait: int) -> greenstalk.Job[bytes] | None:
        self._line.patience(wait + PATIENCE)
        try:
            return client.reserve(timeout=wait)
        except (greenstalk.TimedOutError, greenstalk.DeadlineSoonError):
            return None
        finally:
            self._line.patience(PATIENCE)

    def done(self, batch: Batch) -> None:
        """Only over the connection that took it: on another, after a binlog was lost, an id may be another job's."""
        client, ids = batch.token
        if self._line.client is None or client is not self._line.client:
            raise SourceError(f"{self._site}: the connection that took these jobs is gone, they come again")
        try:
            for id in ids:
                with contextlib.suppress(greenstalk.NotFoundError):  # another was faster, after TTR
                    client.delete(id)
        except WRONG as error:
            raise self._lost(error) from error

    def close(self) -> None:
        self._line.hang_up()
        self._spare = None

    def _lost(self, error: BaseException) -> SourceError:
        self.close()
        return SourceError(said(self._site, error))
