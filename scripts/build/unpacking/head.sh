#!/bin/sh
# wsdaemon @VERSION@ for Linux on @ARCH@: a program that unpacks itself. After these lines come Deno and
# wsdaemon's modules (tar, gzip); docs/operations.md, Installing, says where they go.
# "sh FILE --unpack-to DIR" puts them into a folder of DIR and prints its path, without running them.
payload=@PAYLOAD@
offset=@OFFSET@
needed=@NEEDED@
name=@NAME@
self=$0

fail() {
  printf 'wsdaemon: %s\n' "$1" >&2
  exit 1
}

elsewhere="set WSDAEMON_PROGRAM_DIR to another folder"

# Fails where anybody but root and this user can put something else in the place of a folder: it and all
# above it must be theirs, and closed to others' changes. Whoever can change them may run programs as
# this user anyhow, so what is in them is not read again to be compared.
require_closed() {
  at=$1
  set -- /
  while [ -n "$at" ]; do
    set -- "$@" "$at"
    at=${at%/*}
  done
  problem=$(LC_ALL=C ls -ldn "$@" | while read -r mode _ owner _ _ _ _ _ path; do
    case $owner in
      0 | "$user") ;;
      *) echo "$path belongs to user $owner" && break ;;
    esac
    case $mode in
      # Where the sticky bit is set, others cannot rename what is ours.
      ?????????[tT]*) ;;
      ?????w* | ????????w*) echo "others can write to $path" && break ;;
    esac
  done)
  [ -z "$problem" ] || fail "what this program is unpacked to could be changed by others: $problem; $elsewhere"
}

# Makes the folder $program of $base in one step: what is cut short leaves nothing that would be run.
unpack() {
  new=$base/.new-$$
  trap 'rm -rf "$new"' EXIT
  trap 'exit 1' HUP INT TERM
  mkdir "$new" || fail "cannot write to $base; $elsewhere"
  found=$(tail -c "+$offset" "$self" | sha256sum)
  [ "${found%% *}" = "$payload" ] ||
    fail "$self is damaged or cut off: what it holds has the SHA-256 ${found%% *} and not $payload; get it again"
  tail -c "+$offset" "$self" | gzip -dc | tar -xpof - -C "$new" ||
    fail "cannot unpack into $base, which takes $needed MiB: make room, or $elsewhere"
  "$new/wsdaemon" --version > /dev/null ||
    fail "what was unpacked to $base cannot be run: that is mounted noexec, or this is no Linux on @ARCH@ with glibc 2.27 or newer; for the former $elsewhere"
  chmod 755 "$new"
  sync -f "$new" 2> /dev/null || sync
  # Another start may have been quicker, and has made the same.
  mv -T "$new" "$program" 2> /dev/null || [ -d "$program" ] || mv "$new" "$program" ||
    fail "cannot make $program"
  trap - EXIT HUP INT TERM
  rm -rf "$new"
}

user=$(id -u)
only_unpack=no
if [ "${1-}" = --unpack-to ]; then
  [ $# -eq 2 ] && [ -n "$2" ] || fail "--unpack-to needs a folder"
  only_unpack=yes
  base=$2
elif [ -n "${WSDAEMON_PROGRAM_DIR-}" ]; then
  base=$WSDAEMON_PROGRAM_DIR
elif [ -n "${CACHE_DIRECTORY-}" ]; then
  base=${CACHE_DIRECTORY%%:*}
elif [ "$user" = 0 ]; then
  base=/var/cache/wsdaemon
elif [ -n "${XDG_CACHE_HOME:-${HOME-}}" ]; then
  base=${XDG_CACHE_HOME:-$HOME/.cache}/wsdaemon
else
  fail "there is nowhere to unpack to, as HOME is not set; $elsewhere"
fi
unset WSDAEMON_PROGRAM_DIR

if [ ! -d "$base" ]; then
  (umask g-w,o-w && mkdir -p "$base") || fail "cannot make $base; $elsewhere"
fi
base=$(cd "$base" && pwd -P) || fail "cannot enter $base; $elsewhere"
program=$base/$name
if [ "$only_unpack" = yes ]; then
  [ -d "$program" ] || unpack
  printf '%s\n' "$program"
  exit
fi
require_closed "$base"
if [ ! -d "$program" ]; then unpack; fi
require_closed "$program"
. "$program/start"
