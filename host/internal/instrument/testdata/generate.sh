#!/bin/sh
# Rebuilds the .wasm files from the .wat files; needs wat2wasm of the Debian package wabt.
set -eu
cd "$(dirname "$0")"
for f in *.wat; do wat2wasm -o "${f%.wat}.wasm" "$f"; done
