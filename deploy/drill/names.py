"""A name service for one scene. It needs a network and a view of the files of its own, because it is on port 53 and in
/etc/resolv.conf."""

import os
import socket
import struct
import subprocess
import threading


class NameService:
    """Knows every name below `domain` as 127.0.0.1, and no other. While `silent` is set, it answers nothing."""

    def __init__(self, folder, domain):
        self.domain = domain
        self.silent = threading.Event()
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for name, text in [
            ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
            ("nsswitch.conf", "hosts: files dns\n"),
        ]:
            file = os.path.join(folder, name)
            with open(file, "w", encoding="utf-8") as out:
                out.write(text)
            if os.path.exists(f"/etc/{name}"):
                subprocess.run(["mount", "--bind", file, f"/etc/{name}"], check=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            if not self.silent.is_set():
                self.socket.sendto(answer(query, self.domain), client)


def answer(query, domain):
    """Makes an answer in the form of RFC 1035, section 4."""
    labels, place = [], 12
    while query[place]:
        labels.append(query[place + 1 : place + 1 + query[place]].decode())
        place += 1 + query[place]
    question = query[12 : place + 5]
    (kind,) = struct.unpack("!H", query[place + 1 : place + 3])
    is_known = ".".join(labels).lower().endswith(domain)
    # 1 is the type A. A known name has no address of another family.
    records = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + bytes([127, 0, 0, 1])] if is_known and kind == 1 else []
    flags = 0x8180 if is_known else 0x8183
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)
