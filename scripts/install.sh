#!/usr/bin/env bash
# Installs wsdaemon as a service of systemd, with completions and manual page, upgrades it, or removes it.
# Running it again changes nothing that is in place already. It never touches data (/var/lib/wsdaemon) nor
# a config that is there.
set -euo pipefail

usage() {
  cat << 'END'
Usage: install.sh [--binary FILE] [--prefix DIR] [--config NAME] [--start] [--dry-run]
       install.sh --uninstall [--prefix DIR] [--dry-run]

  --binary FILE   the program (default: dist/wsdaemon of this checkout)
  --prefix DIR    where bin/wsdaemon goes, and lib/wsdaemon (default: /usr/local)
  --config NAME   the sample that becomes /etc/wsdaemon/config.json where there is none:
                  single-node (default), s3, mtls
  --start         enable the service and start it, or restart it where what runs is not what is
                  installed
  --uninstall     stop and remove the service and the binary; config and data stay
  --dry-run       say what would be done, and do nothing

With DESTDIR=DIR in the environment everything is put below DIR, or removed there, for an image or a
package that is made of it: that needs no root, and nothing is started or stopped.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
binary="$here/../dist/wsdaemon"
prefix=/usr/local
sample=single-node
action=install
start=no
dry_run=no

fail() {
  echo "install.sh: $1" >&2
  exit "${2:-1}"
}

while [ $# -gt 0 ]; do
  case "$1" in
    --binary | --prefix | --config)
      [ $# -ge 2 ] && [ -n "$2" ] || fail "$1 needs a value" 2
      case "$1" in
        --binary) binary=$2 ;;
        --prefix) prefix=${2%/} ;;
        --config) sample=$2 ;;
      esac
      shift
      ;;
    --start) start=yes ;;
    --uninstall) action=uninstall ;;
    --dry-run) dry_run=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  shift
done

case "$prefix" in
  /*) ;;
  *) fail "--prefix must be an absolute path" 2 ;;
esac
# systemd would take these for something else in the unit, and sed & and |.
case "$prefix" in
  *[[:space:]%\$\"\'\\\&\|]*) fail "--prefix must have no blanks, quotes, %, \$, & or |" 2 ;;
esac

destination=${DESTDIR:-}
destination=${destination%/}
case "$destination" in
  '' | /*) ;;
  *) fail "DESTDIR must be an absolute path" 2 ;;
esac

# Where things are once they are in use; what is read or written here is below the destination.
program="$prefix/bin/wsdaemon"
# What a program that unpacks itself is installed as: a folder for each, which program names.
library="$prefix/lib/wsdaemon"
folder=
share="$prefix/share"
sysusers=/etc/sysusers.d/wsdaemon.conf
config=/etc/wsdaemon/config.json
# A distribution's own prefix has its units; an administrator's units are in /etc.
if [ "$prefix" = /usr ]; then unit=/usr/lib/systemd/system/wsdaemon.service; else unit=/etc/systemd/system/wsdaemon.service; fi
changed=no

# Does what follows, or says it.
act() {
  if [ "$dry_run" = yes ]; then echo "would: $*" >&3; else "$@"; fi
}
exec 3>&1

# Puts a file in place in one step, unless the same is there: a running binary cannot be written to.
put() {
  local from=$1 to=$destination$2 mode=$3
  if cmp -s "$from" "$to" && [ "$(stat -c %a "$to")" = "$mode" ]; then return; fi
  changed=yes
  if [ "$dry_run" = yes ]; then
    echo "would: install $to (mode $mode)"
    return
  fi
  mkdir -p "$(dirname "$to")"
  install -m "$mode" "$from" "$to.new"
  sync "$to.new"
  mv -f "$to.new" "$to"
  echo "installed $to"
}

# Prints the script that runs the program of a folder.
launcher() {
  printf '#!/bin/sh\nprogram=%s\n. "$program/start"\n' "$1"
}

# Unpacks a program that does so itself: the service needs no cache then, and nobody waits for it.
unpack_binary() {
  local made=$1
  head -c 64 "$binary" | tail -n +2 | grep -aq '^# wsdaemon ' || return 0
  unpacked=$(sh "$binary" --unpack-to "$made/unpacked") ||
    fail "cannot unpack $binary to a temporary folder; TMPDIR says where those are"
  folder=$library/${unpacked##*/}
  binary=$made/run
  launcher "$unpacked" > "$binary"
  chmod 755 "$binary"
}

# Puts what was unpacked in place in one step, unless it is there: its name has the digest of it all.
put_folder() {
  local to=$destination$folder
  if [ -d "$to" ]; then return; fi
  changed=yes
  if [ "$dry_run" = yes ]; then
    echo "would: install $to"
    return
  fi
  mkdir -p "${to%/*}"
  rm -rf "$to.new"
  cp -R "$unpacked" "$to.new"
  sync -f "$to.new"
  mv "$to.new" "$to"
  echo "installed $to"
}

# Removes the folders of other versions, unless what runs may be one of them.
remove_others() {
  local path
  if [ "$start" = no ] && has_systemd && systemctl -q is-active wsdaemon; then return; fi
  for path in "$destination$library"/*; do
    if [ -e "$path" ] && [ "$path" != "$destination$folder" ]; then act rm -rf "$path"; fi
  done
}

# Puts in place what the program writes of itself: completions and the manual page.
put_generated() {
  local made=$1 before=$changed
  "$binary" completion bash > "$made/bash"
  "$binary" completion zsh > "$made/zsh"
  "$binary" completion fish > "$made/fish"
  "$binary" man > "$made/man"
  put "$made/bash" "$share/bash-completion/completions/wsdaemon" 644
  put "$made/zsh" "$share/zsh/site-functions/_wsdaemon" 644
  put "$made/fish" "$share/fish/vendor_completions.d/wsdaemon.fish" 644
  put "$made/man" "$share/man/man1/wsdaemon.1" 644
  # No reason to restart the service.
  changed=$before
}

has_systemd() {
  [ -z "$destination" ] && [ -d /run/systemd/system ]
}

# Whether the service runs, and by another unit or program than the ones that are in place: an earlier
# run may have put them there without restarting it.
runs_another() {
  systemctl -q is-active wsdaemon || return 1
  [ "$changed" = no ] || return 0
  local pid started
  pid=$(systemctl show --property MainPID --value wsdaemon)
  if [ -n "$folder" ]; then
    [ "$(readlink "/proc/$pid/exe")" = "$folder/wsdaemon" ] || return 0
  else
    cmp -s "/proc/$pid/exe" "$program" || return 0
  fi
  started=$(LC_ALL=C TZ=UTC systemctl show --property ExecMainStartTimestamp --value wsdaemon)
  [ "$(date -d "$started" +%s)" -lt "$(stat -c %Y "$unit")" ]
}

install_all() {
  [ -f "$binary" ] || fail "there is no $binary: compile it (deno task compile), or name one by --binary"
  [ -f "$here/config/$sample.json" ] || fail "there is no sample config $sample" 2
  local version made unpacked=
  made=$(mktemp -d)
  # Expanded now, as it is local.
  trap "rm -rf '$made'" EXIT
  unpack_binary "$made"
  version=$("$binary" --version | head -n 1) || fail "$binary does not run on this machine"
  # Before anything is put in place: a program that refuses the config would not start.
  if [ -e "$destination$config" ]; then
    act "$binary" config validate --file-only --config "$destination$config" > /dev/null ||
      fail "$version cannot use $destination$config: mend it; nothing was changed"
  fi
  sed "s|/usr/local/bin/wsdaemon|$program|g" "$here/wsdaemon.service" > "$made/unit"
  if [ -n "$folder" ]; then
    put_folder
    launcher "$folder" > "$binary.installed"
    put "$binary.installed" "$program" 755
  else
    put "$binary" "$program" 755
  fi
  if [ ! -e "$destination$config" ]; then put "$here/config/$sample.json" "$config" 600; fi
  put "$made/unit" "$unit" 644
  put "$here/wsdaemon.sysusers.conf" "$sysusers" 644
  put_generated "$made"
  if [ -n "$destination" ]; then
    remove_others
    return
  fi
  if command -v systemd-sysusers > /dev/null; then act systemd-sysusers "$sysusers"; fi
  if ! has_systemd; then
    remove_others
    echo "systemd does not run here: nothing is started"
    return
  fi
  if [ "$changed" = yes ] || [ "$(systemctl show --property NeedDaemonReload --value wsdaemon)" = yes ]; then
    act systemctl daemon-reload
  fi
  if [ "$start" = yes ]; then
    if runs_another; then act systemctl restart wsdaemon; fi
    act systemctl enable --quiet --now wsdaemon
    if [ "$dry_run" = no ]; then echo "$version runs: systemctl status wsdaemon"; fi
  elif [ "$changed" = yes ] && [ "$dry_run" = no ]; then
    echo "$version is installed; see $config, then: systemctl enable --now wsdaemon"
    if systemctl -q is-active wsdaemon; then echo "to use it: systemctl restart wsdaemon"; fi
  fi
  remove_others
}

uninstall_all() {
  if has_systemd && [ -e "$unit" ]; then
    act systemctl disable --quiet --now wsdaemon
  fi
  local path
  for path in "$unit" "$program" "$library" "$sysusers" "$share/bash-completion/completions/wsdaemon" \
    "$share/zsh/site-functions/_wsdaemon" "$share/fish/vendor_completions.d/wsdaemon.fish" \
    "$share/man/man1/wsdaemon.1"; do
    if [ -e "$destination$path" ]; then
      act rm -rf "$destination$path"
      changed=yes
    fi
  done
  if has_systemd && [ "$changed" = yes ]; then act systemctl daemon-reload; fi
  if [ -n "$destination" ]; then return; fi
  echo "Config (/etc/wsdaemon) and data (/var/lib/wsdaemon, or the root of the config) stay;"
  echo "delete them by hand once nobody needs what is in them."
}

if [ "$dry_run" = no ] && [ -z "$destination" ] && [ "$(id -u)" -ne 0 ]; then fail "needs root (or --dry-run)"; fi
if [ "$action" = install ]; then install_all; else uninstall_all; fi
