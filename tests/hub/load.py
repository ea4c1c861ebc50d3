"""Many students at once: each has a server and a kernel on the Hub, and all run the checks of a unit together.

Knows: the Hub's and Jupyter's interfaces, how memory of one user is counted. Does not know: what a check asks. All of
it stays on this machine's loopback, and ends by itself.
"""

from __future__ import annotations

import asyncio
import json
import pwd
import time
import uuid

import machine
import nbformat
import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from specdec_course.grading.nbgrader.notebook import is_test, shown_value

MOST = 40  # students
SECONDS = 1500  # for all of it


def at_once(hub, names: list[str], notebook) -> dict:
    """Lets every student run the notebook's cells up to the last test cell, the checks all at the same time.

    Returns "checks": [(seconds, student, cell's id)], "marks": {student: {cell's id: points}}, "wrong": what went wrong
    as text, "memory": {student: MB at the peak}, "machine": MB at the peak of all of them, "ready": seconds until the
    last kernel was ready, "seconds" of the checks from the first to the last.
    """
    if not 0 < len(names) <= MOST:
        raise ValueError(f"{len(names)} students; expected 1 to {MOST}: the machine serves others too")
    return asyncio.run(asyncio.wait_for(_class(hub, names, notebook), SECONDS))


async def _class(hub, names, notebook) -> dict:
    AsyncHTTPClient.configure(None, max_clients=4 * MOST)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells = cells[: 1 + max(number for number, cell in enumerate(cells) if is_test(cell))]
    found = {"checks": [], "marks": {name: {} for name in names}, "wrong": [], "memory": {}, "machine": 0.0}
    start = time.perf_counter()
    numbers = {name: pwd.getpwnam(name).pw_uid for name in names}
    watching = asyncio.create_task(_watch(numbers, found))
    try:
        kernels = await asyncio.gather(*(_kernel(hub, name) for name in names))
        await asyncio.gather(*(_run(kernel, name, [cell for cell in cells if not _asks(cell)], found)
                               for kernel, name in zip(kernels, names, strict=True)))
        found["ready"] = time.perf_counter() - start
        start = time.perf_counter()
        await asyncio.gather(*(_run(kernel, name, [cell for cell in cells if _asks(cell)], found)
                               for kernel, name in zip(kernels, names, strict=True)))
        found["seconds"] = time.perf_counter() - start
    finally:
        watching.cancel()
    return found


def _asks(cell) -> bool:
    return is_test(cell) or cell.id.startswith("check_")


async def _kernel(hub, name: str):
    """A student's server and kernel; the line to it."""
    await _ask(hub, "POST", f"/hub/api/users/{name}")
    await _ask(hub, "POST", f"/hub/api/users/{name}/server")
    while not (await _ask(hub, "GET", f"/hub/api/users/{name}"))["servers"].get("", {}).get("ready"):
        await asyncio.sleep(0.5)
    kernel = await _ask(hub, "POST", f"/user/{name}/api/kernels", {"name": "python3"})
    address = f"ws{hub.url[4:]}/user/{name}/api/kernels/{kernel['id']}/channels"
    return await websocket_connect(HTTPRequest(address, headers={"Authorization": f"token {hub.token}"}),
                                   max_message_size=50_000_000)


async def _ask(hub, method: str, path: str, body=None):
    """One question to the Hub or a server; the answer. Asks again where the Hub says that too many start at once."""
    for _ in range(120):
        try:
            answer = await AsyncHTTPClient().fetch(
                hub.url + path, method=method, headers={"Authorization": f"token {hub.token}"}, request_timeout=300,
                body=None if method == "GET" else json.dumps(body or {}))
            return json.loads(answer.body) if answer.body else None
        except HTTPClientError as error:
            if error.code == 409:  # the user is there already
                return None
            if error.code not in (429, 503):
                raise
            await asyncio.sleep(1)
    raise TimeoutError(f"{method} {path}: the Hub was busy for two minutes")


async def _run(line, name: str, cells, found) -> None:
    """Runs the cells one after another; notes times, points and errors."""
    for cell in cells:
        start = time.perf_counter()
        outputs = await _execute(line, cell.source)
        if _asks(cell):
            found["checks"].append((time.perf_counter() - start, name, cell.id))
        found["wrong"] += [f"{name}, {cell.id}: {output.ename}: {output.evalue}" for output in outputs
                           if output.output_type == "error"]
        if is_test(cell):
            shown = nbformat.v4.new_code_cell(cell.source, outputs=outputs, metadata=cell.metadata)
            found["marks"][name][cell.id] = shown_value(shown)


async def _execute(line, source: str) -> list:
    """What a cell shows, as nbformat's outputs."""
    number = uuid.uuid4().hex
    header = {"msg_id": number, "msg_type": "execute_request", "username": "", "session": number, "version": "5.3"}
    content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
               "stop_on_error": False}
    await line.write_message(json.dumps({"header": header, "parent_header": {}, "metadata": {}, "content": content,
                                         "buffers": [], "channel": "shell"}))
    outputs, replied, idle = [], False, False
    while not (replied and idle):
        text = await line.read_message()
        assert text is not None, "the kernel's line was cut"
        message = nbformat.from_dict(json.loads(text))
        if message.parent_header.get("msg_id") != number:
            continue
        kind = message.header.msg_type
        replied |= kind == "execute_reply"
        idle |= kind == "status" and message.content.execution_state == "idle"
        if kind in ("execute_result", "display_data", "stream", "error"):
            outputs.append(nbformat.v4.output_from_msg(message))
    return outputs


async def _watch(numbers: dict[str, int], found) -> None:
    """Every two seconds: the memory of each student's processes, pages that several share counted by share (PSS)."""
    while True:
        now = await asyncio.to_thread(_memory, numbers)
        for name, size in now.items():
            found["memory"][name] = max(size, found["memory"].get(name, 0.0))
        found["machine"] = max(found["machine"], sum(now.values()))
        await asyncio.sleep(2)


def _memory(numbers: dict[str, int]) -> dict[str, float]:
    sizes = dict.fromkeys(numbers, 0.0)
    for name, number in numbers.items():
        for process in machine.processes(number):
            try:
                sizes[name] += process.memory_full_info().pss / 1e6
            except psutil.Error:  # ended in between
                continue
    return sizes
