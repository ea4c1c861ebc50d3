"""A Hub on this machine for the length of a test: users of the system, an instructor's course, the Hub's own process.

Knows: how the Hub of `docs/hub` is started and what must be gone afterwards. Does not know: what its users do.
"""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil

COURSE = Path(__file__).resolve().parents[2]
HUB = Path(sys.prefix)
GROUP = "sdc-class"
TEACHER = "sdc-teach"
# Not /tmp: it may be mounted so that nothing in it can be run.
PLACES = Path("/var/tmp")
PREFIX = "specdec-hub-"


@contextmanager
def hub(students: list[str]):
    """A running Hub with TEACHER and the students; all of it is gone afterwards, also the users.

    Gives url, place, exchange, token (of the Hub's interface), passwords by name and homes by name.
    """
    remove_what_an_ended_run_left()
    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACES))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        place.chmod(0o755)
        exchange = place / "exchange"
        exchange.mkdir()
        exchange.chmod(0o777)  # nbgrader wants it so; what lies in it has modes of its own
        subprocess.run(["groupadd", GROUP], check=True)
        stack.callback(subprocess.run, ["groupdel", GROUP], check=False)
        passwords = {}
        for name in (TEACHER, *students):
            stack.callback(remove_user, name)
            passwords[name] = add_user(name, place / "home")
        homes = {name: Path(pwd.getpwnam(name).pw_dir) for name in passwords}
        put_course(homes[TEACHER])
        running = SimpleNamespace(place=place, exchange=exchange, passwords=passwords, homes=homes,
                                  token=secrets.token_hex(32), log=place / "hub.log", url="")
        running.url = stack.enter_context(started(running))
        yield running


def add_user(name: str, homes: Path) -> str:
    """A user of the system with a home of mode 700; the password."""
    homes.mkdir(exist_ok=True)
    subprocess.run(["useradd", "--create-home", "--home-dir", homes / name, "--shell", "/bin/bash", "--groups", GROUP,
                    name], check=True)
    (homes / name).chmod(0o700)
    # All cells stand in the page, not only those in sight: the test finds them by number.
    settings = homes / name / ".jupyter/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    subprocess.run(["chown", "-R", f"{name}:", homes / name], check=True)
    password = secrets.token_urlsafe(12)
    subprocess.run(["chpasswd"], input=f"{name}:{password}", text=True, check=True)
    return password


def remove_user(name: str) -> None:
    """Ends what a user of ours runs, then removes the user. The home lies in the test's folder and goes with it."""
    try:
        number = pwd.getpwnam(name).pw_uid
    except KeyError:
        return
    deadline = time.monotonic() + 20
    while (left := processes(number)) and time.monotonic() < deadline:
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=5)
    subprocess.run(["userdel", "--force", name], check=False, stderr=subprocess.DEVNULL)


def processes(number: int) -> list[psutil.Process]:
    """What runs with that user number."""
    return [process for process in psutil.process_iter(["uids"])
            if process.info["uids"] is not None and process.info["uids"].real == number]


def remove_what_an_ended_run_left() -> None:
    """Users whose home lies where only this test puts homes, from a run that was killed; then their group."""
    for user in pwd.getpwall():
        if user.pw_dir.startswith(f"{PLACES}/{PREFIX}"):
            remove_user(user.pw_name)
            shutil.rmtree(Path(user.pw_dir).parents[1], ignore_errors=True)
    if any(group.gr_name == GROUP and not group.gr_mem for group in grp.getgrall()):
        subprocess.run(["groupdel", GROUP], check=False)


def put_course(home: Path) -> None:
    """The course in the instructor's home, as a clone would be, with mode 700."""
    course = home / "course"
    course.mkdir()
    for folder in ("solutions", "notebooks"):
        shutil.copytree(COURSE / folder, course / folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for file in ("nbgrader_config.py", "pyproject.toml"):
        shutil.copy(COURSE / file, course)
    course.chmod(0o700)
    user = pwd.getpwnam(TEACHER)
    subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", course], check=True)


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def started(running):
    """The Hub's process with the configuration of `docs/hub`; other ports, names and files. Gives its address."""
    ports = [free_port() for _ in range(3)]
    config = running.place / "jupyterhub_config.py"
    config.write_text(f"""
load_subconfig({str(HUB / "etc/jupyterhub_config.py")!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{ports[2]}"
c.JupyterHub.db_url = "sqlite:///{running.place}/state/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{running.place}/state/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "{running.place}/state/proxy.pid"
c.LocalAuthenticator.allowed_groups = {{{GROUP!r}}}
c.JupyterHub.load_groups = {{"instructors": {{"users": [{TEACHER!r}]}}}}
c.JupyterHub.services = [{{"name": "load", "api_token": {running.token!r}}}]
c.JupyterHub.load_roles.append({{"name": "load", "services": ["load"],
                                "scopes": ["admin:users", "admin:servers", "access:servers"]}})
""")
    config.chmod(0o600)
    state = running.place / "state"
    state.mkdir(mode=0o700)
    with running.log.open("w") as log:
        process = subprocess.Popen(
            [HUB / "bin/jupyterhub", "--config", config], cwd=state, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "NBGRADER_EXCHANGE": str(running.exchange)}, start_new_session=True)
    running.log.chmod(0o600)
    url = f"http://127.0.0.1:{ports[0]}"
    try:
        wait_for(lambda: answers(f"{url}/hub/health") or process.poll() is not None, 120, "the Hub answers")
        assert process.poll() is None, f"the Hub ended:\n{running.log.read_text()[-4000:]}"
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def wait_for(done, seconds: float, what: str):
    """The first true value of `done()`. AssertionError after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := done()):
        assert time.monotonic() < deadline, f"after {seconds} s still not: {what}"
        time.sleep(0.2)
    return value


def as_user(name: str, command: str, running) -> subprocess.CompletedProcess:
    """A shell command with a user's rights and nothing of ours, as in that user's terminal."""
    user = pwd.getpwnam(name)
    env = {"HOME": user.pw_dir, "USER": name, "LOGNAME": name, "PATH": f"{HUB}/bin:/usr/bin:/bin",
           "NBGRADER_EXCHANGE": str(running.exchange), "OMP_NUM_THREADS": "1"}
    return subprocess.run(["bash", "-c", command], cwd=user.pw_dir, env=env, user=user.pw_uid, group=user.pw_gid,
                          extra_groups=os.getgrouplist(name, user.pw_gid), text=True, capture_output=True,
                          stdin=subprocess.DEVNULL)
