"""Sends the same request all the time: `load.py URL BODY CLIENTS PAUSE`, until its standard input ends.

Prints one line of JSON for each request: when it was sent (Unix time), how long it took (s), its status (0 for none) and
the end of the response if the status is not 200.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request

url, body, clients, pause = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3]), float(sys.argv[4])
printing = threading.Lock()
ended = threading.Event()


def ask():
    request = urllib.request.Request(url, data=body)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            response.read()
            return response.status, ""
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")[-200:]
    except Exception as error:
        return 0, str(error)


def client():
    while not ended.is_set():
        sent = time.time()
        status, text = ask()
        line = json.dumps([sent, time.time() - sent, status, text])
        with printing:
            print(line, flush=True)
        ended.wait(pause)


threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
