#!/usr/bin/env bash
# Makes the namespaces and cgroups of a node, prints "ready" and the process that holds them, and removes all of it
# when its standard input ends: when the program that runs the node closes it, and when that program dies. After the
# line "keep" on the standard input, it removes all of it when that process has ended.
#
#   keeper.sh FOLDER
#
# While another node runs on this machine, it prints "waiting" and waits. It does not wait for a node that is kept.
#
# Namespaces: mount, network, process ids, host name, IPC, cgroup. The network namespace is reached from this machine
# through a pair of virtual interfaces, so that its firewall rules do not touch this machine's.
set -euo pipefail
folder=$1
here=$(dirname "${BASH_SOURCE[0]}")
hierarchies=(blkio cpu cpuacct cpuset devices freezer memory pids systemd)
group=feast-node

# Without an error where there is nothing left.
remove_groups() {
    for hierarchy in "${hierarchies[@]}"; do
        find "/sys/fs/cgroup/$hierarchy/$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    ! ls -d /sys/fs/cgroup/*/"$group" >/dev/null 2>&1
}

clean_up() {
    # unshare ignores SIGTERM; with it ends every process of the node.
    kill -KILL "$node" 2>/dev/null || true
    wait "$node" 2>/dev/null || true
    ip link delete feast-node 2>/dev/null || true
    # The kernel takes a moment to forget processes that have ended.
    for _ in {1..300}; do
        remove_groups && break
        sleep 0.1
    done
    for setting in "${!settings[@]}"; do
        echo "${settings[$setting]}" >"/proc/sys/$setting"
    done
    : >"$lock"
    # Last, because it tells others that the node has been removed.
    rm -f "$folder/init.pid"
}

# One node at a time: addresses, interface and cgroups have fixed names. The file names the folder of a node that is
# kept.
lock=/run/feast-node.lock
exec 9<>"$lock"
if ! flock --nonblock 9; then
    kept=$(<"$lock")
    if [[ -n $kept && $kept != "$folder" ]]; then
        echo "the node of $kept is still running; stop it with: cargo run --example quickstart -- --stop"
        exit 1
    fi
    echo waiting
    flock 9
fi
# kubelet sets these for the whole machine.
declare -A settings
for setting in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do
    settings[$setting]=$(<"/proc/sys/$setting")
done
# Left by a keeper that was killed.
node=0
remove_groups || { echo "the cgroup $group is in use: is another node running?"; exit 1; }
for hierarchy in "${hierarchies[@]}"; do
    mkdir "/sys/fs/cgroup/$hierarchy/$group"
done
# A group without processors takes no process.
cp /sys/fs/cgroup/cpuset/cpuset.cpus "/sys/fs/cgroup/cpuset/$group/" 2>/dev/null ||
    cat /sys/fs/cgroup/cpuset/cpuset.cpus >"/sys/fs/cgroup/cpuset/$group/cpuset.cpus"
cat /sys/fs/cgroup/cpuset/cpuset.mems >"/sys/fs/cgroup/cpuset/$group/cpuset.mems"
echo 1 >"/sys/fs/cgroup/cpuset/$group/cgroup.clone_children"

(
    for hierarchy in "${hierarchies[@]}"; do
        echo "$BASHPID" >"/sys/fs/cgroup/$hierarchy/$group/cgroup.procs"
    done
    exec unshare --mount --net --pid --uts --ipc --cgroup --fork --kill-child --mount-proc \
        bash "$here/init.sh" "$folder" "${hierarchies[@]}" </dev/null >"$folder/logs/init.log" 2>&1 9>&-
) &
node=$!
trap clean_up EXIT

for _ in {1..600}; do
    [[ -e $folder/init.ready ]] && break
    kill -0 "$node" || { cat "$folder/logs/init.log"; exit 1; }
    sleep 0.1
done
[[ -e $folder/init.ready ]] || {
    echo "the namespaces were not ready after 60 s"
    cat "$folder/logs/init.log"
    exit 1
}
init=$(pgrep --parent "$node")
echo "$init" >"$folder/init.pid"

ip link add feast-node type veth peer name eth0 netns "$init"
ip address add 10.213.0.1/24 dev feast-node
ip link set feast-node up
nsenter --target "$init" --net bash -euc '
    ip address add 10.213.0.2/24 dev eth0
    ip link set eth0 up
    ip route add default via 10.213.0.1
    echo 1 >/proc/sys/net/ipv4/ip_forward'
# Pods and Services, so that tests reach them from this machine. The kernel removes the routes with
# the interface.
for network in 10.244.0.0/16 10.96.0.0/16; do
    ip route add "$network" via 10.213.0.2 || {
        echo "the node needs a route to $network, and this machine has another one: $(ip route show "$network")"
        exit 1
    }
done

echo "ready $node"
if read -r word && [[ $word == keep ]]; then
    echo "$folder" >"$lock"
    wait "$node" || true
fi
