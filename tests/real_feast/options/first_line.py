"""Prints the first line of an answer that does not end: `first_line.py URL`."""

import sys
import urllib.request

print(urllib.request.urlopen(sys.argv[1], timeout=60).readline().decode().strip())
