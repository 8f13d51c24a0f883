#!/usr/bin/env bash
# Records what three loads on real file systems ask of a spinney volume, snapshots included: how the git-snapshots, sqlite and container traces
# of configs/traces were made. The loads are the same each time; what a file system makes of them depends on its version and the kernel's.
#
# Usage: record-traces.sh SPINNEY REPOSITORY OUT    SPINNEY is the command, REPOSITORY a git repository of some hundred commits, OUT a folder.
# Needs root, FUSE, loop devices, overlayfs, git, sqlite3, python3 and the mkfs of ext4, xfs and btrfs. Leaves nothing behind but the traces.
set -euo pipefail
spinney=$(command -v "$1")
repository=$(realpath "$2")
out=$(realpath "$3")

work=$(mktemp -d)
export XDG_STATE_HOME=$work XDG_RUNTIME_DIR=$work
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
server=
tidy() {
    set +e
    cd /
    mountpoint -q "$work/home/merged" && umount "$work/home/merged"
    mountpoint -q "$work/home" && umount "$work/home"
    losetup --list --noheadings --output NAME,BACK-FILE | awk -v at="$work/" 'index($2, at) == 1 { print $1 }' | xargs -r losetup --detach
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server"
    rm -rf --one-file-system "$work"
}
trap tidy EXIT
mkdir "$work/pool" "$work/home"

snapshots=()
# A snapshot of what is mounted; the last four stay.
snapshot() {
    sync -f "$work/home/."
    "$spinney" vol snapshot "tank/disk@$1"
    snapshots+=("$1")
    if [ ${#snapshots[@]} -gt 4 ]; then
        "$spinney" vol destroy "tank/disk@${snapshots[0]}"
        snapshots=("${snapshots[@]:1}")
    fi
}

# A volume of SIZE, FS on it, LOAD in that, from mkfs to umount in the trace NAME.
record() {
    local name=$1 size=$2 fs=$3 load=$4 loop
    cd "$work"
    snapshots=()
    "$spinney" pool create tank tank.img --size 4G
    "$spinney" vol create tank/disk --size "$size"
    "$spinney" serve tank --fuse pool --record "$out/$name.csv.zst" &
    server=$!
    until [ -e pool/disk ]; do kill -0 "$server" || exit 1; sleep 0.1; done
    loop=$(losetup --find --show --direct-io=on pool/disk)
    "mkfs.$fs" -q "$loop"
    mount -o discard "$loop" home
    "$load"
    cd "$work"
    umount home
    losetup --detach "$loop"
    kill "$server" && wait "$server"
    server=
    "$spinney" pool destroy tank --yes
    rm tank.img
    "$spinney" trace info "$out/$name.csv.zst"
}

# Every 12th commit checked out, worked on and committed on a branch, then packed.
git_load() {
    git clone -q --no-local --no-checkout "$repository" home/tree
    cd home/tree
    git config user.name builder
    git config user.email builder@localhost
    local count=0 commit
    for commit in $(git rev-list --reverse HEAD | awk 'NR % 12 == 0'); do
        git checkout -q -f "$commit"
        git ls-files | awk -v n="$count" '(NR + n) % 17 == 0' | while read -r file; do echo "// $count" >> "$file"; done
        git commit -q -a -m "round $count" --date=2026-01-01T00:00:00Z
        git tag "round-$count"
        count=$((count + 1))
        sync -f .
        [ $((count % 3)) -eq 0 ] && snapshot "round-$count"
    done
    git gc -q --prune=now
    sync -f .
}

# 1,500 durable transactions on a table with an index, in the rollback journal's way and then in the log's.
database_load() {
    local batch mode
    cd home
    sqlite3 db 'CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, amount INTEGER, note BLOB); CREATE INDEX by_name ON item (name);'
    for batch in $(seq 30); do
        mode=$([ "$batch" -le 10 ] && echo DELETE || echo WAL)
        {
            echo "PRAGMA journal_mode = $mode; PRAGMA synchronous = FULL;"
            for transaction in $(seq 50); do
                id=$(((batch * 7919 + transaction * 104729) % 5000))
                echo "BEGIN; INSERT INTO item (name, amount, note) VALUES ('name-$id', $id, zeroblob($((200 + id % 3000))));"
                echo "UPDATE item SET amount = amount + 1 WHERE name = 'name-$(((id * 31) % 5000))';"
                echo "DELETE FROM item WHERE id % 97 = $((id % 97)) AND amount < $((id / 8)); COMMIT;"
            done
        } | sqlite3 db > /dev/null
        [ $((batch % 5)) -eq 0 ] && snapshot "batch-$batch"
    done
    sqlite3 db 'VACUUM;'
    sync -f .
}

# A build step: what it writes goes to a layer of its own over those before.
step() {
    local layer=$1
    shift
    mkdir "layers/$layer" "scratch/$layer"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=layers/$layer,workdir=scratch/$layer" merged
    "$@"
    umount merged
    lower="$PWD/layers/$layer:$lower"
    snapshot "$layer"
}
copy_base() { cp -a /usr/lib/python3.11 layers/base; }
compile() { python3 -m compileall -q -f merged > /dev/null || true; }
prune() { find merged -depth \( -name test -o -name tests -o -name idlelib -o -name lib2to3 \) -type d -exec rm -rf {} +; }
fetch() { git clone -q --no-local --depth 1 "file://$repository" merged/source; }
build() { tar -C merged -cf - source | gzip -1 > merged/source.tar.gz; find merged/source -name '*.rs' -exec sh -c 'wc -c "$1" > "$1.size"' sh {} \;; }
clean() { rm -rf merged/source; }

# A container image built in layers over overlayfs, packed, and its build cache thrown away.
container_load() {
    cd home
    mkdir -p layers/base scratch merged
    copy_base
    lower=$PWD/layers/base
    step compile compile
    step prune prune
    step fetch fetch
    step build build
    step clean clean
    tar -C layers -cf - . | gzip -1 > image.tar.gz
    sync -f .
    rm -rf layers scratch
    sync -f .
}

record git-snapshots-ext4 512M ext4 git_load
record sqlite-xfs 512M xfs database_load
record container-btrfs 512M btrfs container_load
