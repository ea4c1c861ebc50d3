#!/bin/sh
# `make hub-test`: installs the Hub as docs/jupyterhub.md says, then runs the tests against it. As root; what is given
# goes to pytest. HUB names the folder of the Hub. Ends with 75 where something could not be installed.
set -eu
cd "$(dirname "$0")/../.."
hub=${HUB:-/opt/specdec-hub}
if [ "$(id -u)" != 0 ]; then
  echo "hub-test skipped: it makes users of the system and needs root (sudo make hub-test)"
  exit 0
fi

missing=
command -v bwrap >/dev/null || missing="$missing bubblewrap"
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing="$missing chromium"
command -v npm >/dev/null || missing="$missing nodejs npm"
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || { echo "hub-test needs$missing: install them first" >&2; exit 2; }
  # shellcheck disable=SC2086 - several names
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } || {
    echo "hub-test: apt-get could not install$missing" >&2; exit 75; }
fi

sh docs/hub/install.sh "$hub" || { echo "hub-test: the Hub could not be installed into $hub" >&2; exit 75; }
"$hub/bin/python" -m pip --disable-pip-version-check install --quiet -c constraints.txt playwright psutil pytest || {
  echo "hub-test: its own packages could not be installed into $hub" >&2; exit 75; }
# The program, not `python -m pytest`: the package comes from where the Hub has it, not from this folder.
exec "$hub/bin/pytest" -x -p no:cacheprovider tests/hub "$@"
