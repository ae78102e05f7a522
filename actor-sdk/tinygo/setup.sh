#!/bin/sh
# Builds a TinyGo from its Go module and Debian's LLVM 19, for machines that get Go modules and Debian packages only:
#   actor-sdk/tinygo/setup.sh DIR
# Then: export TINYGOROOT=DIR/root PATH=DIR/root:$PATH. It takes some minutes. Debian 12 or later, Go 1.26.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 2; }
version=v0.41.1
packages="llvm-19-dev libclang-19-dev clang-19 lld-19 liblld-19-dev libclang-rt-19-dev-wasm32 wasi-libc binaryen g++"
for p in $packages; do
	dpkg -s "$p" >/dev/null 2>&1 || missing="${missing-} $p"
done
[ -z "${missing-}" ] || { echo "$0: first: apt-get install --no-install-recommends$missing" >&2; exit 1; }
mkdir -p "$1"
cd "$1"
cd "$(mktemp -d)" # outside of any module
source=$(go mod download -json "github.com/tinygo-org/tinygo@$version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
cd "$OLDPWD"
rm -rf root
cp -r "$source" root
chmod -R u+w root
mkdir -p root/src/net/http # a git submodule, which the module lacks; actors do not use it
cd root
go build -tags llvm19 -o tinygo .
./tinygo version
