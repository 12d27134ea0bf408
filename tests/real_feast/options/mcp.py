"""Initializes an MCP session, and prints the server's response."""

import json
import urllib.request

body = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-03-26",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
request = urllib.request.Request(
    "http://127.0.0.1:6566/mcp",
    data=json.dumps(body).encode(),
    headers={"Content-Type": "application/json", "Accept": "application/json, text/event-stream"},
)
answer = urllib.request.urlopen(request, timeout=60)
print(json.dumps({"session": answer.headers.get("Mcp-Session-Id"), **json.loads(answer.read())}))
