"""Very many clients, each with one request on a connection that it keeps."""

import collections
import json
import resource
import selectors
import socket

from report import Missing

REQUEST = b"GET /aggregate HTTP/1.1\r\nHost: drill\r\n\r\n"


def need_descriptors(count):
    """Raises the limit of this process if it is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    try:
        # Root may raise the hard one too.
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard if hard == resource.RLIM_INFINITY else max(hard, count)))
    except (ValueError, OSError):
        raise Missing(f"{count} file descriptors (`ulimit -Hn` says {hard})") from None


class Crowd:
    def __init__(self, gateway, clients):
        self.seen = collections.Counter()
        self.done = []
        self.selector = selectors.DefaultSelector()
        host, _, port = gateway.public.rpartition(":")
        for _ in range(clients):
            client = socket.create_connection((host, int(port)), timeout=30)
            client.sendall(REQUEST)
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ, bytearray())

    def answered(self):
        """Reads everything that has come, and returns the number of answers so far."""
        for key, _ in self.selector.select(0):
            try:
                piece = key.fileobj.recv(65536)
            except OSError as error:
                piece, key.data[:] = b"", f"HTTP/1.1 {type(error).__name__}\r\n\r\n".encode()
            key.data.extend(piece)
            head, end, body = bytes(key.data).partition(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
            if piece and (not end or len(body) < length):
                continue
            what = head.split(b" ")[1].decode() if end else "closed"
            if length and len(body) >= length:
                what += f" {json.loads(body).get('outcome', '')}".rstrip()
            self.seen[what] += 1
            self.selector.unregister(key.fileobj)
            self.done.append(key.fileobj)
        return sum(self.seen.values())

    def leave(self):
        """Closes the connections of all answered clients."""
        for client in self.done:
            client.close()
        self.done.clear()
