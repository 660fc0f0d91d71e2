"""The shipped alerts in a real Prometheus beside the gateway, sixty times as fast. In every range and every `for`, an
hour becomes a minute, a minute a second and a second a millisecond. Nothing else of the rules is changed."""

import json
import os
import re
import shutil
import socket
import time
import urllib.parse
import urllib.request

from report import Missing, Unexpected, expect
from stage import Program, eventually

STEP_DOWN = {"h": "m", "m": "s", "s": "ms"}
# The time for the slowest of the alerts that a scene waits for, on a busy machine.
FIRING = 45


def hurried(rules):
    rules = re.sub(r"\[(\d+)([hms])\]", lambda time: f"[{time[1]}{STEP_DOWN[time[2]]}]", rules)
    return re.sub(r"(?m)^(\s*for: \d+)([hms])$", lambda time: time[1] + STEP_DOWN[time[2]], rules)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Alerts:
    def __init__(self, stage, rules):
        self.stage, self.rules = stage, rules
        self.address = None

    def watch(self, gateway):
        """Starts to watch, if there is a Prometheus."""
        program = shutil.which("prometheus")
        if not program:
            return
        place = os.path.join(self.stage.folder, "prometheus")
        os.mkdir(place)
        for name in ["recording.yml", "alerts.yml"]:
            with open(os.path.join(self.rules, name), encoding="utf-8") as rules:
                text = hurried(rules.read())
            with open(os.path.join(place, name), "w", encoding="utf-8") as out:
                out.write(text)
        file = os.path.join(place, "prometheus.yml")
        with open(file, "w", encoding="utf-8") as out:
            out.write(
                "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms }\n"
                f"rule_files: [recording.yml, alerts.yml]\n"
                f"scrape_configs:\n- job_name: gather\n  static_configs: [{{ targets: ['{gateway.admin}'] }}]\n"
            )
        self.address = f"127.0.0.1:{free_port()}"
        prometheus = self.stage.started(
            lambda: Program(
                [
                    program,
                    f"--config.file={file}",
                    f"--storage.tsdb.path={place}/data",
                    f"--web.listen-address={self.address}",
                    "--log.level=error",
                ]
            )
        )
        eventually("the first scrape by Prometheus", lambda: prometheus.must_run() or self.query("up == 1"))

    def query(self, query):
        url = f"http://{self.address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except (OSError, ValueError):
            return []

    def fired(self):
        """Returns the names of all alerts that have ever fired. Before its first scrapes Prometheus knows no gateway,
        which doesn't count."""
        if not self.address:
            raise Missing("`prometheus`")
        ever = self.query('count_over_time(ALERTS{alertstate="firing"}[10m])')
        known = [alert["metric"] for alert in ever]
        return {one["alertname"] for one in known if one["alertname"] != "GatherDown" or "instance" in one}

    def must_fire(self, *names):
        """Waits for these alerts."""
        if not self.address:
            raise Missing("`prometheus`")
        end = time.monotonic() + FIRING
        while not set(names) <= self.fired():
            if time.monotonic() > end:
                late = sorted(set(names) - self.fired())
                raise Unexpected(f"{', '.join(late)} did not fire within {FIRING} s, but {sorted(self.fired())}")
            time.sleep(0.25)
        return f"{', '.join(names)} fired"

    def must_not_fire(self, *but):
        """Checks that no others have fired. An alert about a busy machine belongs to no scene."""
        fired = self.fired() - set(but) - {"GatherOverheadHigh"}
        expect(not fired, f"{', '.join(sorted(fired))} fired")
        return "none fired"
