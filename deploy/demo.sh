#!/usr/bin/env bash
# The main job on embedded defaults: a lattice with httpserver, keyvalue-nats and edge-data-processor, real requests, and
# what came back. Stays up on a terminal, ends by itself when there is none.
set -euo pipefail

weft=${WEFT:-bin/weft}
actors=${ACTORS:-bin/actors}
data=$(mktemp -d "${TMPDIR:-/tmp}/weft-demo.XXXXXX")
export WEFT_DATA_DIR=$data

free_port() { "$weft" --help >/dev/null; (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 1 || return 0; }
port=${PORT:-8080}
while ! free_port "$port"; do port=$((port + 1)); done
nats_port=4222
while ! free_port "$nats_port"; do nats_port=$((nats_port + 1)); done

cleanup() {
  "$weft" down >/dev/null 2>&1 || true
  rm -rf "$data"
}
trap cleanup EXIT

run() { # show a command, then what it prints
  printf '\n\033[1m$ %s\033[0m\n' "$*"
  "$@"
}
say() { printf '\n# %s\n' "$*"; }

say "A lattice on this machine: embedded NATS, one host."
run "$weft" up -d --nats-port "$nats_port"

say "Two providers, as processes of their own, and the actor, signed with a key made just now."
run "$weft" provider start httpserver
run "$weft" provider start keyvalue-nats
run "$weft" actor start "$actors/edge-data-processor.wasm" --max 8

say "Links grant the actor what its claims ask for."
run "$weft" link put edge-data-processor httpserver address="127.0.0.1:$port"
run "$weft" link put edge-data-processor keyvalue-nats

url=http://127.0.0.1:$port
say "Real requests."
run curl -sS "$url/health"
printf '\n$ printf "hello edge\\n  lattice \\n" | curl -sS --data-binary @- %s/process\n' "$url"
answer=$(printf 'hello edge\n  lattice \n' | curl -sS --data-binary @- "$url/process")
echo "$answer"
hash=$(sed -E 's/.*"hash":"([0-9a-f]+)".*/\1/' <<<"$answer")
run curl -sS "$url/cache/$hash"
echo
[ "$(curl -sS "$url/cache/$hash")" = "$answer" ] || { echo "the cache answered something else" >&2; exit 1; }
printf '\n$ head -c 1048577 /dev/zero | curl -sS --data-binary @- -o /dev/null -w "%%{http_code}" %s/process\n' "$url"
head -c 1048577 /dev/zero | curl -sS --data-binary @- -o /dev/null -w '%{http_code}\n' "$url/process"

run "$weft" host inspect

say "It goes on from here, with WEFT_DATA_DIR=$data:"
cat <<TXT
  $weft logs -f edge-data-processor      what the actor logs
  $weft events                           what happens in the lattice
  $weft actor scale edge-data-processor --max 32
  $weft new actor hello && cd hello      an actor of your own
TXT
if [ -t 0 ] && [ -t 1 ]; then
  say "Still up at $url. Press Enter to end it."
  read -r _ || true
fi
