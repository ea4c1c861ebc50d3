"""A JupyterHub for one class on one machine: every student is a user of the system, with a home of mode 700.

Start it as root, with `jupyterhub --config`. `tests/hub/` runs this very file, with other ports and names.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub's loader provides it
HERE = Path(sys.prefix)

# The proxy of the machine that speaks TLS stands before this address.
c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.ConfigurableHTTPProxy.command = [str(HERE / "node/node_modules/.bin/configurable-http-proxy")]
c.JupyterHub.db_url = f"sqlite:///{HERE}/state/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = str(HERE / "state/cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(HERE / "state/proxy.pid")

# Who may come in: the system's users of this group of the system, with their password.
c.JupyterHub.authenticator_class = "pam"
c.LocalAuthenticator.allowed_groups = {"specdec"}
c.PAMAuthenticator.open_sessions = False

# Who teaches. Not administrators of the Hub: they see who is there and start or stop a student's server, and do not
# look into it.
c.JupyterHub.load_groups = {"instructors": {"users": ["teach"]}}
c.JupyterHub.load_roles = [{
    "name": "instructors",
    "groups": ["instructors"],
    "scopes": ["list:users", "read:users:name", "read:users:activity", "read:servers", "servers"],
}]

# Every student is a process of that student's own user. Never SimpleLocalProcessSpawner: it makes all of them one
# person, and each reads the others' work.
c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [str(HERE / "bin/jupyterhub-singleuser")]
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
# Thirty servers may be asked for in the same minute.
c.JupyterHub.concurrent_spawn_limit = 10


def more_config(spawner):
    """The folder with the settings for instructors, for instructors."""
    groups = {group.name for group in spawner.user.groups}
    return str(HERE / "etc/instructor") if "instructors" in groups else ""


c.Spawner.environment = {
    "PATH": f"{HERE}/bin:/usr/local/bin:/usr/bin:/bin",
    "JUPYTER_CONFIG_PATH": more_config,
    "NBGRADER_EXCHANGE": os.environ.get("NBGRADER_EXCHANGE", "/srv/nbgrader/exchange"),
    # One thread for each student, asleep while it has nothing to do: with more, students' threads wait for each other.
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
}
