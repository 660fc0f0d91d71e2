"""The programs of a scene: a gateway before `gather ping` upstreams, all on loopback, on free ports, and gone at the end."""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from report import Unexpected, expect

# Far more than anything here needs on a busy machine.
SOON = 30


def eventually(what, probe, seconds=SOON):
    """Asks until there is something, and returns that."""
    end = time.monotonic() + seconds
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise Unexpected(f"{what} did not come within {seconds} s")
        time.sleep(0.05)


class Program:
    """A program whose log is read, until it is told not to."""

    def __init__(self, command, limit=None):
        def before():
            import resource

            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATHER__")}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**environment, "NO_COLOR": "1"},
            preexec_fn=before if limit else None,
        )
        self.lines = []
        self.reading = threading.Event()
        self.reading.set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        # Not buffered: what is not asked for has to stay in the pipe.
        pending = b""
        while True:
            self.reading.wait()
            piece = os.read(self.process.stderr.fileno(), 4096)
            if not piece:
                return
            *whole, pending = (pending + piece).split(b"\n")
            self.lines += [line.decode(errors="replace") for line in whole]

    def line(self, text, seconds=SOON):
        """The first line with this text, past or to come."""
        return eventually(
            f'a log line with "{text}"', lambda: next((line for line in list(self.lines) if text in line), None), seconds
        )

    def once(self, text):
        """Expects one line with this text, so far."""
        found = [line for line in list(self.lines) if text in line]
        expect(len(found) == 1, f'"{text}" {len(found)} times: {found}')

    def address(self, key):
        line = self.line("listening")
        return re.search(rf'{key}="?([\d.:]+)', line).group(1)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=SOON):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Unexpected(f"the process did not end within {seconds} s") from None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Gateway(Program):
    """A running gateway, with an admin listener."""

    def __init__(self, gather, file, limit):
        super().__init__([gather, "serve", "-c", file], limit)
        self.public, self.admin = self.address("address"), self.address("admin")

    def get(self, path, where=None):
        """Status and body."""
        request = f"http://{where or self.public}{path}"
        try:
            with urllib.request.urlopen(request, timeout=SOON) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError as error:
            raise Unexpected(f"{path} was not answered: {error}") from None

    def aggregate(self, name=None):
        """The answer of an aggregate, as JSON."""
        _, body = self.get(f"/aggregate/{name}" if name else "/aggregate")
        return json.loads(body)

    def metric(self, series):
        """The value of a series of /metrics; 0 where it isn't there."""
        _, text = self.get("/metrics", self.admin)
        found = next((line for line in text.splitlines() if line.startswith(series + " ")), f"{series} 0")
        return float(found.rsplit(" ", 1)[1])

    def warnings(self):
        """What the log warns of, but that the drill is in a container, where loopback is the container's own."""
        told = [line for line in list(self.lines) if " WARN " in line or " ERROR " in line]
        return [line for line in told if "this container" not in line]


class Stage:
    """Whatever is started here is gone when this ends."""

    def __init__(self, folder, gather):
        self.folder, self.gather = folder, gather
        self.programs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.end()

    def started(self, program):
        self.programs.append(program)
        return program

    def ping(self, delay="20ms"):
        """A service, and its address."""
        ping = self.started(Program([self.gather, "ping", "--listen", "127.0.0.1:0", "--delay", delay]))
        return ping, ping.address("address")

    def gateway(self, text, limit=None):
        """A gateway with this configuration, whose first lines are those of `[server]`."""
        file = os.path.join(self.folder, "gather.toml")
        with open(file, "w", encoding="utf-8") as out:
            out.write('[server]\nlisten = "127.0.0.1:0"\nworkers = 2\n' + text + '\n[admin]\nlisten = "127.0.0.1:0"\n')
        return self.started(Gateway(self.gather, file, limit))


FREEZE, THAW, STOP = signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM
