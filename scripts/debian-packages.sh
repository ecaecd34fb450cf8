#!/usr/bin/env bash
# What the tests need of the system: servers, a browser, fonts. `make demo` needs none of it.
set -euo pipefail

packages=(
  mosquitto postgresql chromium fonts-noto-cjk
  gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
  gstreamer1.0-libav python3-gi
)

if ! command -v dpkg-query >/dev/null; then
  echo "this is no Debian or Ubuntu; the tests skip what they do not find. They look for: ${packages[*]}" >&2
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "missing for some of the tests, which will be skipped: ${missing[*]}" >&2
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 0
fi

echo "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -o DPkg::Lock::Timeout=600 -qq)
"${apt[@]}" update
# The packages' own servers are not wanted: tests start theirs, on ports and in folders of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
