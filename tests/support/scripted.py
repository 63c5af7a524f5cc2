"""A gateway whose every answer a test decides by the instance, the call's number and the time."""

import json
from collections import Counter
from collections.abc import Callable
from time import monotonic

from anyio.abc import SocketStream

from tests.support.raw_server import ONE_FRIEND, http_reply


def reply(message: str, *, code: str = "1001", status: str = "200 OK", headers: str = "") -> bytes:
    body = json.dumps({"code": code, "message": message, "data": None}, ensure_ascii=False)
    return http_reply(body.encode(), status=status, headers=headers)


READY = http_reply(ONE_FRIEND)
INITIALIZING = reply("初始化中")
TOO_OFTEN = reply("操作太频繁，请稍后再试")
BUSY = http_reply(b"", status="429 Too Many Requests")
UNAVAILABLE = http_reply(b"<html>503</html>", status="503 Service Unavailable")
BAD_GATEWAY = http_reply(b"<html>502</html>", status="502 Bad Gateway")


class Script:
    """Answers a RawServer's requests, and records them.

    Attributes:
        calls: Each call as it came: wId and time.
        number: How many calls of each instance there were.

    """

    def __init__(self, answer: Callable[[str, int], bytes]) -> None:
        self._answer = answer
        self.calls: list[tuple[str, float]] = []
        self.number: Counter[str] = Counter()

    async def __call__(self, stream: SocketStream, request: bytes) -> None:
        w_id = json.loads(request.partition(b"\r\n\r\n")[2])["wId"]
        self.calls.append((w_id, monotonic()))
        self.number[w_id] += 1
        await stream.send(self._answer(w_id, self.number[w_id]))


class Limiter:
    """Allows so many calls a second and no burst at all, as nginx's limit_req does without one."""

    def __init__(self, rate: float, refusal: bytes, served: Callable[[str, int], bytes]) -> None:
        self._gap = 1 / rate
        self._refusal = refusal
        self._served = served
        self._next_at = 0.0
        self._number: Counter[str] = Counter()
        self.refused = 0

    def __call__(self, w_id: str, number: int) -> bytes:  # noqa: ARG002
        now = monotonic()
        if now < self._next_at:
            self.refused += 1
            return self._refusal
        self._next_at = now + self._gap
        self._number[w_id] += 1
        return self._served(w_id, self._number[w_id])
