"""Records every request as a line of JSON: `listener.py PORT FILE`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

port, path = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        line = {
            "path": self.path,
            "authorization": self.headers.get("Authorization"),
            "body": json.loads(body),
        }
        with open(path, "a") as file:
            print(json.dumps(line), file=file)
        self.send_response(201)
        self.end_headers()


HTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()
