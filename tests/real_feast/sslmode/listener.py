"""Lets a PostgreSQL that has only a Unix socket and no TLS accept TCP connections: `listener.py PORT SOCKET [PEM]`.

With PEM, a file with a certificate and its key, it encrypts connections as a PostgreSQL with TLS does. It prints `TLS` or
`plain` for each connection."""

import socket
import ssl
import struct
import sys
import threading

port, path = int(sys.argv[1]), sys.argv[2]
context = None
if sys.argv[3:]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3])
# `SSLRequest` of the protocol: its length, and a code in place of a version.
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client):
    first = client.recv(8, socket.MSG_WAITALL)
    if not first:
        # A probe.
        return client.close()
    if encrypted := first == SSL_REQUEST and context:
        client.sendall(b"S")
        client = context.wrap_socket(client, server_side=True)
        first = b""
    print("TLS" if encrypted else "plain", flush=True)
    server = socket.socket(socket.AF_UNIX)
    server.connect(path)
    server.sendall(first)
    threading.Thread(target=copy, args=(server, client), daemon=True).start()
    copy(client, server)


def attempt(client):
    try:
        serve(client)
    except OSError as error:
        print(error, file=sys.stderr, flush=True)
        client.close()


with socket.create_server(("127.0.0.1", port)) as listener:
    while True:
        threading.Thread(target=attempt, args=(listener.accept()[0],), daemon=True).start()
