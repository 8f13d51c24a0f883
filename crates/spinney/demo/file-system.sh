#!/usr/bin/env bash
# Puts a file system on a spinney volume, loses files, and gets every one back from a snapshot.
#
# Usage: file-system.sh [SPINNEY [TREE]]    SPINNEY is the command, TREE a folder to unpack there; FS=ext4 (default), xfs or btrfs.
# Needs root (for losetup and mount), FUSE and loop devices. Works in a folder of its own and leaves nothing behind.
set -euo pipefail
spinney=$(command -v "${1:-spinney}")
tree=$(realpath "${2:-.}")
fs=${FS:-ext4}

work=$(mktemp -d)
export XDG_STATE_HOME=$work XDG_RUNTIME_DIR=$work # the names and sockets of this demo's pools only
server=
tidy() {
    set +e
    for at in home rescue; do mountpoint -q "$work/$at" && umount "$work/$at"; done
    losetup --list --noheadings --output NAME,BACK-FILE | awk -v at="$work/" 'index($2, at) == 1 { print $1 }' | xargs -r losetup --detach
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server"
    rm -rf --one-file-system "$work"
}
trap tidy EXIT
step() { printf '\n== %s\n' "$*"; }
cd "$work"
mkdir pool home rescue

step "a pool in a file, a volume in it, and a folder that shows it"
"$spinney" pool create demo demo.img --size 2G
"$spinney" vol create demo/home --size 4G
"$spinney" serve demo --fuse pool &
server=$!
until [ -e pool/home ]; do kill -0 "$server" || exit 1; sleep 0.1; done
ls -l pool

step "$fs on it, and $tree in that"
loop=$(losetup --find --show --direct-io=on pool/home)
"mkfs.$fs" -q "$loop"
mount "$loop" home
tar -C "$(dirname "$tree")" -cf - --exclude=target --exclude=.git "$(basename "$tree")" | tar -C home -xf -
(cd home && find . -type f -print0 | sort -z | xargs -0 sha256sum) > sums
echo "$(wc -l < sums) files"

step "a snapshot, while it is mounted"
fsfreeze --freeze home
"$spinney" vol snapshot demo/home@before
fsfreeze --unfreeze home
"$spinney" vol list demo

step "damage: every second file gone, the others cut short"
(cd home && find . -type f -print0 | sort -z | xargs -0 -n 2 sh -c 'rm "$1"; if [ -n "$2" ]; then : > "$2"; fi' sh)
sync -f home/.
(cd home && sha256sum --check --status "$work/sums" 2>/dev/null) && { echo "no damage was done"; exit 1; }
"$spinney" vol diff demo/home@before demo/home | tail -n 3

step "a clone of the snapshot, mounted beside it"
"$spinney" vol clone demo/home@before demo/rescue
options=defaults
case $fs in
    xfs) options=nouuid ;;      # the clone has the same identity
    btrfs) umount home ;;       # and btrfs would take both for one
esac
loop=$(losetup --find --show --direct-io=on pool/rescue)
mount -o "$options" "$loop" rescue
(cd rescue && sha256sum --check --quiet "$work/sums")
echo "all $(wc -l < sums) files are there and whole"

step "the end: unmount, stop the server, verify every block"
mountpoint -q home && umount home
umount rescue
losetup --list --noheadings --output NAME,BACK-FILE | awk -v at="$work/" 'index($2, at) == 1 { print $1 }' | xargs -r losetup --detach
kill "$server" && wait "$server"
server=
"$spinney" pool scrub demo
