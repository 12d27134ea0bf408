# Starts a command in a root directory like a container's: the programs of the machine, the folders that Python needs,
# and the volume mounts. The command runs in its own mount namespace.
#   container.sh ROOT HOSTS WORKING_DIRECTORY SHOWN_FOLDER... -- SOURCE:TARGET:MODE... -- COMMAND...
set -euo pipefail
root=$1 hosts=$2 working_directory=$3
shift 3

mount -t tmpfs container "$root"
mkdir "$root"/{etc,home,proc,run,tmp}
for entry in /bin /dev /lib /lib32 /lib64 /libx32 /opt /sbin /usr; do
    if [[ -L $entry ]]; then
        cp -P "$entry" "$root$entry"
    elif [[ -d $entry ]]; then
        mkdir "$root$entry"
        mount --rbind "$entry" "$root$entry"
    fi
done
for file in group ld.so.cache localtime nsswitch.conf passwd; do
    [[ ! -e /etc/$file ]] || cp -L "/etc/$file" "$root/etc/$file"
done
cp "$hosts" "$root/etc/hosts"
# If /proc is masked, as in some containers, the outer one is used.
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"

while [[ $1 != -- ]]; do
    [[ -d $root$1 ]] || { mkdir -p "$root$1" && mount --bind "$1" "$root$1"; }
    shift
done
shift
while [[ $1 != -- ]]; do
    IFS=: read -r source target mode <<<"$1"
    mkdir -p "$root$target"
    mount --bind "$source" "$root$target"
    [[ $mode != ro ]] || mount -o remount,bind,ro "$root$target"
    shift
done
shift

# The container runtime does the same.
mkdir -p "$root$working_directory"
exec chroot "$root" env --chdir="$working_directory" "$@"
