#!/usr/bin/env bash
# Makes the virtual environment, or finds that nothing has changed since.
#   scripts/set-up.sh FOLDER run|dev
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$1 kind=$2
python=${PYTHON:-python3}
uv_version=0.13.9
lock=requirements.lock
[ "$kind" = dev ] && lock=requirements-dev.lock

fail() {
  echo "set-up: $1" >&2
  exit 2
}

command -v "$python" >/dev/null || fail "no $python here; expected Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || fail "$python is $version; expected 3.11 or newer; name another one: make PYTHON=python3.12"

# The whole set-up is a function of these; what is installed for development is enough for running.
mark=$(cat scripts/set-up.sh pyproject.toml "$lock" | sha256sum | cut -c1-32)-$version
[ "$(cat "$venv/.set-up-$kind" 2>/dev/null)" = "$mark" ] && exit 0

echo "set-up: $venv, Python $version, $(grep -c '==' "$lock") libraries"
if ! "$venv/bin/python" -c 'import pip' 2>/dev/null && ! "$venv/bin/python" -m ensurepip >/dev/null 2>&1; then
  "$python" -m venv --clear "$venv" || fail "no virtual environment can be made; Debian: apt-get install python3-venv"
fi
rm -f "$venv"/.set-up-*
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
if "$venv/bin/uv" --version 2>/dev/null | grep -q "^uv $uv_version" || "${pip[@]}" install "uv==$uv_version" 2>/dev/null; then
  export VIRTUAL_ENV="$PWD/$venv"
  install=("$venv/bin/uv" pip install --quiet)
else
  echo 'set-up: uv cannot be had, so pip does it; that takes longer' >&2
  install=("${pip[@]}" install)
fi
"${install[@]}" --require-hashes -r "$lock"
"${install[@]}" --no-deps -e .
echo "$mark" >"$venv/.set-up-$kind"
if [ "$kind" = dev ]; then
  echo "$(cat scripts/set-up.sh pyproject.toml requirements.lock | sha256sum | cut -c1-32)-$version" >"$venv/.set-up-run"
fi
