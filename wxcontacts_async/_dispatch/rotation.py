"""Which queue of a dispatcher is served next: each in turn, by round robin."""

import random
from collections import OrderedDict
from itertools import islice
from typing import Generic

from wxcontacts_async._dispatch.jobs import ConsumerQueue, Job
from wxcontacts_async.contacts import ContactT

_SHARE_OF_ANY = 0.5


class QueueRotation(Generic[ContactT]):
    """The queues that may call, in the order of their turns.

    Attributes:
        queues: All of them. One that may not call any more is passed over when its turn comes.

    """

    def __init__(self) -> None:
        self.queues: OrderedDict[ConsumerQueue[ContactT], None] = OrderedDict()

    def add(self, queue: ConsumerQueue[ContactT]) -> None:
        """Give a queue that may call its turn after the others, unless it has one."""
        self.queues[queue] = None

    def take(self, *, any_job: bool) -> tuple[ConsumerQueue[ContactT], Job[ContactT]] | None:
        """Take the next job of the next queue out of all queues; None if there is none.

        Arguments:
            any_job: Whether it may be any job rather than the one that has been ready longest.
                In an outage, instances that alone get no answer and stand first would keep it
                from being known that the gateway is back.

        """
        while self.queues:
            queue, _ = self.queues.popitem(last=False)
            ready = queue.ready
            if not ready or queue.unacknowledged >= queue.prefetch:
                continue
            if any_job:
                w_id = _any_of(queue)
                job = ready.pop(w_id)
            else:
                w_id, job = ready.popitem(last=False)
            if len(job.consumers) > 1:
                for consumer in job.consumers:
                    consumer.queue.ready.pop(w_id, None)
            return queue, job
        return None


def _any_of(queue: ConsumerQueue[ContactT]) -> str:
    """Return the instance that has been ready longest, or any, by chance."""
    is_any = random.random() < _SHARE_OF_ANY  # noqa: S311  # guards no secret
    which = random.randrange(len(queue.ready)) if is_any else 0  # noqa: S311  # nor this
    return next(islice(queue.ready, which, None))
