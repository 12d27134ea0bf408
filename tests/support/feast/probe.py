"""Runs a kubelet probe: `probe.py '<probe as JSON>'`. Exits with an error if the probe fails."""

import json
import socket
import ssl
import subprocess
import sys
import urllib.request

probe = json.loads(sys.argv[1])
if "httpGet" in probe:
    action = probe["httpGet"]
    scheme = action.get("scheme", "HTTP").lower()
    # The kubelet does not verify certificates, and accepts every status from 200 to 399.
    context = ssl._create_unverified_context() if scheme == "https" else None
    url = f"{scheme}://127.0.0.1:{action['port']}{action.get('path', '/')}"
    urllib.request.urlopen(url, timeout=probe.get("timeoutSeconds", 1), context=context)
elif "exec" in probe:
    # The kubelet runs it in the container, which has the network of the pod.
    command = probe["exec"]["command"]
    subprocess.run(command, timeout=probe.get("timeoutSeconds", 1), check=True)
else:
    action = probe["tcpSocket"]
    address = (action.get("host", "127.0.0.1"), action["port"])
    socket.create_connection(address, timeout=probe.get("timeoutSeconds", 1)).close()
