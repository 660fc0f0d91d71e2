"""The programs of a scene: a gateway before `gather ping` upstreams, all on loopback and on free ports. They are gone
at the end."""

import http.client
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import ending
from report import Unexpected, expect

# The longest wait. It is far more than anything here needs on a busy machine.
SOON = 30


def eventually(what, probe, seconds=SOON):
    """Asks until there is an answer, and returns it."""
    end = time.monotonic() + seconds
    while True:
        ending.check()
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            raise Unexpected(f"{what} did not come within {seconds} s")
        time.sleep(0.05)


class Program:
    """A program whose log is read, until it is told to stop reading."""

    def __init__(self, command, limit=None):
        parent = os.getpid()

        def before():
            ending.with_parent(parent)
            if limit:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATHER__")}
        self.name = " ".join(command[:2])
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**environment, "NO_COLOR": "1"},
                preexec_fn=before,
            )
        except OSError as error:
            raise Unexpected(f"{command[0]} can't be run: {error.strerror}") from None
        self.lines = []
        self.reading = threading.Event()
        self.reading.set()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        # The pipe is read without a buffer, so that unread output stays in it.
        pending = b""
        while True:
            self.reading.wait()
            piece = os.read(self.process.stderr.fileno(), 4096)
            if not piece:
                self.lines += [pending.decode(errors="replace")] if pending else []
                return
            *whole, pending = (pending + piece).split(b"\n")
            self.lines += [line.decode(errors="replace") for line in whole]

    def must_run(self):
        """Fails with the reason if the program is not running."""
        status = self.process.poll()
        if status is None:
            return
        self.reader.join(1)
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        last = " | ".join(line.strip() for line in self.lines[-3:] if line.strip())
        raise Unexpected(f"`{self.name}` has ended ({how}), and said at last: {last or 'nothing'}")

    def _first(self, text):
        # The state is looked at first, because the lines before the end count too.
        has_ended = self.process.poll() is not None
        if has_ended and self.reading.is_set():
            self.reader.join(1)
        found = next((line for line in list(self.lines) if text in line), None)
        if has_ended and found is None:
            self.must_run()
        return found

    def line(self, text, seconds=SOON):
        """Waits for the first line with this text, past or to come."""
        return eventually(
            f'a log line with "{text}"', lambda: self._first(text), seconds
        )

    def once(self, text):
        """Expects one line with this text, so far."""
        found = [line for line in list(self.lines) if text in line]
        expect(len(found) == 1, f'"{text}" {len(found)} times: {found}')

    def address(self, key):
        line = self.line("listening")
        found = re.search(rf'{key}="?([\d.:]+)', line)
        if not found:
            raise Unexpected(f'`{self.name}` says no {key} in its line "{line}"')
        return found.group(1)

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

    def listens(self):
        """Waits for its addresses."""
        self.public, self.admin = self.address("address"), self.address("admin")
        return self

    def get(self, path, where=None):
        """Returns status and body."""
        request = f"http://{where or self.public}{path}"
        try:
            with urllib.request.urlopen(request, timeout=SOON) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.must_run()
            raise Unexpected(f"{path} was not answered: {error}") from None

    def aggregate(self, name=None):
        """Returns the answer of an aggregate, as JSON."""
        _, body = self.get(f"/aggregate/{name}" if name else "/aggregate")
        try:
            return json.loads(body)
        except ValueError:
            raise Unexpected(f"an aggregate is no JSON: {body[:200]}") from None

    def metric(self, series):
        """Returns the value of a series of /metrics, or 0 if it doesn't exist."""
        _, text = self.get("/metrics", self.admin)
        found = next((line for line in text.splitlines() if line.startswith(series + " ")), f"{series} 0")
        return float(found.rsplit(" ", 1)[1])

    def warnings(self):
        """Returns the log's warnings, except those that the drill is in a container, where loopback is the container's
        own."""
        told = [line for line in list(self.lines) if " WARN " in line or " ERROR " in line]
        return [line for line in told if "this container" not in line]


class Stage:
    """Starts programs. All of them are gone when it ends."""

    def __init__(self, gather):
        self.gather = gather
        self.programs = []

    def __enter__(self):
        with ending.undisturbed():
            self.folder = tempfile.mkdtemp(prefix="gather-drill-")
        return self

    def __exit__(self, *_):
        with ending.undisturbed():
            for program in reversed(self.programs):
                program.end()
            shutil.rmtree(self.folder, ignore_errors=True)

    def started(self, start):
        with ending.undisturbed():
            program = start()
            self.programs.append(program)
        ending.check()
        return program

    def ping(self, delay="20ms"):
        """Starts a service and returns it with its address."""
        ping = self.started(lambda: Program([self.gather, "ping", "--listen", "127.0.0.1:0", "--delay", delay]))
        return ping, ping.address("address")

    def gateway(self, text, limit=None):
        """Starts a gateway with this configuration. Its first lines are those of `[server]`."""
        file = os.path.join(self.folder, "gather.toml")
        with open(file, "w", encoding="utf-8") as out:
            out.write('[server]\nlisten = "127.0.0.1:0"\nworkers = 2\n' + text + '\n[admin]\nlisten = "127.0.0.1:0"\n')
        return self.started(lambda: Gateway(self.gather, file, limit)).listens()


FREEZE, THAW, STOP = signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM
