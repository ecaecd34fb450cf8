#!/usr/bin/env bash
# Chooses the versions of all libraries and writes them down with their hashes.
#   scripts/lock.sh UV [further options of `uv pip compile`, for example --upgrade]
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$1
shift
export UV_CUSTOM_COMPILE_COMMAND='make lock'
compile=("$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url)
run=(--extra vision --extra postgres --extra demo)
"${compile[@]}" "${run[@]}" --output-file requirements.lock "$@"
# The same versions for tests as for running.
"${compile[@]}" "${run[@]}" --extra openvino --extra plates --extra dev --constraint requirements.lock --output-file requirements-dev.lock "$@"
