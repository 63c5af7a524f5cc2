"""What the library logs meanwhile, which a test may wait for."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class Log(logging.Handler):
    """Keeps what is logged, with what was raised."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._news = anyio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))
        self._news.set()
        self._news = anyio.Event()

    async def wait_for(self, words: str) -> None:
        """Wait until something with these words is logged."""
        while not any(words in message for message in self.messages):
            await self._news.wait()


@contextmanager
def logged(level: int = logging.WARNING) -> Iterator[Log]:
    """Collect what the library logs in the block, of that level or above."""
    logger, log = logging.getLogger("wxcontacts_async"), Log()
    before = logger.level
    logger.addHandler(log)
    logger.setLevel(level)
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(before)
