"""Frames over a socket, one at a time: JSON, and raw buffers of declared sizes.

Knows: bytes and their number. Does not know: what they mean.
"""

from __future__ import annotations

import json
import socket
import struct

from .limits import BUFFER_LIMIT, BUFFERS_LIMIT, HEAD, HEADER_LIMIT, SMALL, Closed


class Line:
    """One end of a socket on which frames go to and fro, one at a time.

    `idle` is called every 50 ms while nothing comes, so that a wait can be ended by raising from it. `size`: bytes of
    the newest frame; `taken`: of all large ones.
    """

    def __init__(self, sock, idle=None):
        self.sock, self.idle, self.held, self.size, self.taken = sock, idle, bytearray(), 0, 0
        if idle is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 50_000))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 10, 0))

    def send(self, message: dict, buffers=()) -> None:
        """One frame: JSON, then the buffers. `message` holds plain JSON only."""
        message["sizes"] = [len(data) for data in buffers]
        text = json.dumps(message, separators=(",", ":")).encode()
        try:
            self.sock.sendall(b"".join((HEAD.pack(len(text), sum(message["sizes"])), text, *buffers)))
        except OSError as error:
            raise Closed(str(error)) from None

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

    def _take(self, count: int) -> bytes:
        while len(self.held) < count:
            try:
                data = self.sock.recv(max(1 << 16, min(count - len(self.held), 1 << 24)))
            except BlockingIOError:
                self.idle()
                continue
            except OSError as error:
                raise Closed(str(error)) from None
            if not data:
                raise Closed("the other side is gone")
            self.held += data
        taken = bytes(memoryview(self.held)[:count])
        del self.held[:count]
        return taken
