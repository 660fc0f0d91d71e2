"""Clients that ask again and again, each over a connection of its own, and their results."""

import collections
import http.client
import json
import threading
import time


class Load:
    """Runs until it is told to stop, or until a look at /readyz shows that the gateway must get no more requests."""

    def __init__(self, gateway, target, clients=6, pause=0.02, heeds_readiness=False):
        self.gateway, self.target, self.pause = gateway, target, pause
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.seen = collections.Counter()
        self.slowest = 0.0
        threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]
        if heeds_readiness:
            threads.append(threading.Thread(target=self._heed, daemon=True))
        self.threads = threads
        for thread in threads:
            thread.start()

    def _ask(self):
        connection = http.client.HTTPConnection(self.gateway.public, timeout=30)
        while not self.stopped.is_set():
            began = time.monotonic()
            try:
                connection.request("GET", self.target)
                answer = connection.getresponse()
                body = answer.read()
                what = f"{answer.status}"
                if "json" in answer.getheader("content-type", ""):
                    what += f" {json.loads(body).get('outcome', '')}".rstrip()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                what = f"no answer ({type(error).__name__})"
            with self.lock:
                self.seen[what] += 1
                self.slowest = max(self.slowest, time.monotonic() - began)
            time.sleep(self.pause)
        connection.close()

    def _heed(self):
        """Does what a load balancer does."""
        while not self.stopped.is_set():
            try:
                if self.gateway.get("/readyz", self.gateway.admin)[0] != 200:
                    break
            except Exception:
                break
            time.sleep(0.1)
        self.stopped.set()

    def count(self):
        with self.lock:
            return sum(self.seen.values())

    def stop(self):
        """Stops, and returns the number of results by status and outcome."""
        self.stopped.set()
        for thread in self.threads:
            thread.join(40)
        return dict(self.seen)


def told(seen):
    return ", ".join(f"{count} × {what}" for what, count in sorted(seen.items()))
