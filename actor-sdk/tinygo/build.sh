#!/bin/sh
# Builds an actor with the tinygo on the PATH and the libraries of Debian (see README.md):
#   actor-sdk/tinygo/build.sh PROJECT OUT.wasm
set -eu
[ $# -eq 2 ] || { echo "usage: $0 PROJECT OUT.wasm" >&2; exit 2; }
command -v tinygo >/dev/null || { echo "$0: tinygo is not on the PATH; see README.md beside this script" >&2; exit 1; }
target=$(cd "$(dirname "$0")" && pwd)/actor.json
case $2 in /*) out=$2 ;; *) out=$PWD/$2 ;; esac
PATH=/usr/lib/llvm-19/bin:$PATH # for wasm-ld
export PATH
cd "$1"
exec tinygo build -no-debug -opt=2 -panic=trap -target="$target" -o "$out" .
