#!/usr/bin/env bash
# Runs a program in a node's cgroups and namespaces.
#
#   enter.sh FOLDER PATH PROGRAM ARGUMENT…
set -euo pipefail
folder=$1 path=$2
shift 2
for group in /sys/fs/cgroup/*/feast-node; do
    echo $$ >"$group/cgroup.procs"
done
exec nsenter --target "$(<"$folder/init.pid")" --mount --net --pid --uts --ipc --cgroup -- env PATH="$path" "$@"
