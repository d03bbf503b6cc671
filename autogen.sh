#!/bin/sh
# Makes ./configure from a git checkout. Needs autoconf, automake, libtool, pkg-config.
set -eu
cd "$(dirname "$0")"
mkdir -p m4
exec autoreconf --install --force "$@"
