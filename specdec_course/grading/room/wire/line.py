"""Frames over a socket, one at a time: JSON, and raw buffers of declared sizes.

Knows: bytes and their number. Does not know: what they mean.
"""

from __future__ import annotations

import json
import socket
import struct
import time

from .limits import BUFFER_LIMIT, BUFFERS_LIMIT, HEAD, HEADER_LIMIT, SMALL, Closed

OFTEN = 0.05  # seconds between two looks at the clock


class Line:
    """One end of a socket on which frames go to and fro, one at a time.

    `idle` is called about every 50 ms, whether anything comes or goes meanwhile or not, so that a wait can be ended by
    raising from it. `size`: bytes of the newest frame; `taken`: of all large ones.
    """

    def __init__(self, sock, idle=None):
        self.sock, self.idle, self.held, self.size, self.taken, self.due = sock, idle, bytearray(), 0, 0, 0.0
        if idle is not None:
            for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, side, struct.pack("ll", 0, int(OFTEN * 1e6)))

    def send(self, message: dict, buffers=()) -> None:
        """One frame: JSON, then the buffers. `message` holds plain JSON only."""
        message["sizes"] = [len(data) for data in buffers]
        text = json.dumps(message, separators=(",", ":")).encode()
        self._give(b"".join((HEAD.pack(len(text), sum(message["sizes"])), text, *buffers)))

    def receive(self) -> tuple[dict, list]:
        """The next frame. Raises Closed at the end, or on anything that is no frame."""
        length, total = HEAD.unpack(self._take(HEAD.size))
        if length > HEADER_LIMIT or total > BUFFER_LIMIT:
            raise Closed("a frame above the limit")
        self.size = length + total
        self.taken += self.size if self.size > SMALL else 0
        try:
            message = json.loads(self._take(length))
            sizes = message["sizes"]
            if len(sizes) > BUFFERS_LIMIT or any(type(n) is not int or n < 0 for n in sizes) or sum(sizes) != total:
                raise Closed("sizes that do not add up")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Closed(f"no frame ({type(error).__name__})") from None
        data, place, buffers = memoryview(self._take(total)), 0, []
        for size in sizes:
            buffers.append(data[place : place + size])
            place += size
        return message, buffers

    def _give(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            self._tick()
            try:
                left = left[self.sock.send(left) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(str(error)) from None

    def _take(self, count: int) -> bytes:
        while len(self.held) < count:
            self._tick()
            try:
                data = self.sock.recv(max(1 << 16, min(count - len(self.held), 1 << 24)))
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed(str(error)) from None
            if not data:
                raise Closed("the other side is gone")
            self.held += data
        taken = bytes(memoryview(self.held)[:count])
        del self.held[:count]
        return taken

    def _tick(self) -> None:
        """However the other side drips its bytes, a clock is looked at."""
        if self.idle is not None and (now := time.monotonic()) >= self.due:
            self.due = now + OFTEN
            self.idle()
