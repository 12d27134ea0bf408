#!/usr/bin/env bash
# The first process of a node's namespaces: mounts what a node has at its usual places, and stays.
#
#   init.sh FOLDER HIERARCHY…
set -euxo pipefail
folder=$1
shift

mount --make-rprivate /
hostname node
ip link set lo up
# The node's own cgroup is the root of each hierarchy.
umount --recursive /sys/fs/cgroup
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for hierarchy; do
    mkdir "/sys/fs/cgroup/$hierarchy"
    case $hierarchy in
        systemd) mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd ;;
        *) mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/$hierarchy" ;;
    esac
done
for place in /etc/cni /opt/cni /run/containerd /run/netns /var/lib/cni /var/lib/containerd /var/lib/kubelet \
    /var/log/containers /var/log/pods; do
    mkdir -p "$folder/root$place" "$place"
    mount --bind "$folder/root$place" "$place"
done
mount --make-rshared /
touch "$folder/init.ready"
# As the first process it must reap what other processes leave.
trap 'exit 0' TERM
while true; do
    sleep infinity &
    wait $!
done
