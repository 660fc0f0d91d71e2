"""The observations of a scene, and the comparison with what is expected."""

import signal

from ending import Ended


class Missing(Exception):
    """Something that a scene needs is not on this machine."""


class Unexpected(Exception):
    """The observation is not the expected one."""


def say(text):
    """Writes a line. If nobody reads it any more, the drill is over."""
    try:
        print(text, flush=True)
    except OSError:
        raise Ended(signal.SIGPIPE, "its output is closed") from None


class Report:
    def __init__(self, name, title, strict):
        self.strict = strict
        self.good = True
        say(f"\n{name}: {title.splitlines()[0]}")

    def line(self, where, verdict, text):
        say(f"  {where:<8} {verdict:<7} {text}")

    def see(self, where, look):
        """Runs `look`, which returns its observation as a sentence, and notes it."""
        try:
            self.line(where, "ok", look())
        except Unexpected as unexpected:
            self.good = False
            self.line(where, "FAILED", str(unexpected))
        except Missing as missing:
            self.good = self.good and not self.strict
            self.line(where, "skipped", f"{missing} is missing")

    def missing(self, missing):
        self.good = self.good and not self.strict
        self.line("", "skipped", f"this needs {missing}")

    def broken(self, unexpected):
        """Notes that the scene could not even begin."""
        self.good = False
        self.line("", "FAILED", str(unexpected))

    def told(self, seconds):
        say(f"  {'':<8} {'' if self.good else 'FAILED':<7} took {seconds:.0f} s")
        return self.good


def expect(condition, sentence):
    if not condition:
        raise Unexpected(sentence)
