#!/bin/sh
# Puts a JupyterHub for this course into one folder: sudo sh docs/hub/install.sh [FOLDER]
# From the course's repository. Give the same command again after an update: only what has changed is installed.
# Everybody must be able to read the folder and to run the Python; so neither may lie in /root or in a private home.
set -eu
place=${1:-/opt/specdec-hub}
python=${PYTHON:-/usr/bin/python3}
proxy=configurable-http-proxy@5.1.0
here=$(cd "$(dirname "$0")" && pwd)
course=$(cd "$here/../.." && pwd)
umask 022

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; $python is not. Name another one: PYTHON=/usr/bin/python3.12 sh $0" >&2; exit 2; }
if [ "$(id -u)" = 0 ] && ! setpriv --reuid 65534 --regid 65534 --clear-groups "$python" -c '' 2>/dev/null; then
  echo "$python cannot be run by other users of this machine. Name one that can: PYTHON=/usr/bin/python3 sh $0" >&2; exit 2
fi

want=$(cat "$course/pyproject.toml" "$course/constraints.txt" "$0" | sha256sum)
if [ "$(cat "$place/installed" 2>/dev/null)" != "$want" ]; then
  echo "installing into $place (a few minutes the first time)"
  "$python" -m venv "$place"
  # The pip of old systems loses its way in so many pinned versions.
  "$place/bin/python" -m pip --disable-pip-version-check install --quiet --upgrade "pip>=24"
  # torch first: it is the large one, pinned, and every other package is then content with it.
  "$place/bin/python" -m pip --disable-pip-version-check install --quiet -c "$course/constraints.txt" torch
  "$place/bin/python" -m pip --disable-pip-version-check install --quiet -c "$course/constraints.txt" \
    "$course[instructor,hub]"
  npm install --silent --no-audit --no-fund --prefix "$place/node" "$proxy"
  echo "$want" > "$place/installed"
else
  "$place/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --force-reinstall "$course"
fi

# What everybody's server reads, and what only an instructor's reads besides (jupyterhub_config.py says who that is).
mkdir -p "$place/etc/jupyter" "$place/etc/instructor" "$place/share/jupyter/lab/settings"
cp -R "$here/everyone/." "$place/etc/jupyter/"
cp -R "$here/instructor/." "$place/etc/instructor/"
cp "$here/overrides.json" "$place/share/jupyter/lab/settings/"  # Lab asks nobody about news and updates
cp "$here/jupyterhub_config.py" "$place/etc/"
echo "JupyterHub $("$place/bin/jupyterhub" --version) stands in $place"
