"""Leaves a connection idle after a request, and prints after how many seconds the server has closed it."""

import http.client
import socket
import time

connection = http.client.HTTPConnection("127.0.0.1", 6566, timeout=60)
connection.request("GET", "/health")
connection.getresponse().read()
started = time.monotonic()
assert connection.sock.recv(1) == b""
print(round(time.monotonic() - started))
