"""Prints an answer's text: `get.py URL [TIMES]`, over a new connection each time."""

import sys
import urllib.request

url, times = (*sys.argv[1:], "1")[:2]
for _ in range(int(times)):
    text = urllib.request.urlopen(url, timeout=60).read().decode()
print(text)
