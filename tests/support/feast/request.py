"""`request.py METHOD URL BODY CA`: prints the answer's body. With a CA file, only certificates that it signed are
trusted."""

import ssl
import sys
import urllib.request

method, url, body, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca) if ca else None
request = urllib.request.Request(url, method=method, data=body.encode() or None)
request.add_header("Content-Type", "application/json")
print(urllib.request.urlopen(request, timeout=60, context=context).read().decode())
