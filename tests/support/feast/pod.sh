# The first process of a pod, in a separate network with only loopback. All processes of the pod end with it.
#   pod.sh PYTHON PID_FILE
set -euo pipefail
# This is still the outer /proc, so the tests can enter the namespaces by this process id.
read -r pid _ </proc/self/stat
"$1" -I - <<'PYTHON'
import fcntl, socket, struct
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
with socket.socket() as any_socket:
    name, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP))
PYTHON
echo "$pid" >"$2.new"
mv "$2.new" "$2"
exec sleep infinity
