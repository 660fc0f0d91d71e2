"""The drill's end by a signal, and the end of what it has started, whatever ends the drill itself."""

import ctypes
import os
import signal
import sys
import threading
from contextlib import contextmanager

# Ctrl-C, a stop by another program, a terminal that is closed, Ctrl-\.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PR_SET_PDEATHSIG = 1
# Linux has it. It is looked up here, as little as possible may be done between a fork and an exec.
PRCTL = getattr(ctypes.CDLL(None), "prctl", None)

come = None
held = False


class Ended(SystemExit):
    """The end that a signal asks for. Its status is the one that a shell would show."""

    def __init__(self, number, why=None):
        super().__init__(128 + number)
        self.why = why or f"ended by {signal.Signals(number).name}"


def watch():
    """Makes each of the signals an `Ended` in the main thread. One that is ignored from the start, by `nohup`, stays so."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _take)
    told = threading.excepthook
    # With the gateway gone, threads fail that still ask it.
    threading.excepthook = lambda failed: None if come else told(failed)


def _take(number, _):
    # A closed terminal often sends two. The second must not disturb what the first one has begun.
    global come
    if come is None:
        come = number
        check()


def check():
    """Ends the drill if a signal has come. Python drops an exception of a handler that runs within a destructor."""
    if come is not None and not held:
        raise Ended(come)


@contextmanager
def undisturbed():
    """Defers the end by a signal to the next look for one, so that cleaning is done whole."""
    global held
    held = True
    try:
        yield
    finally:
        held = False


def with_parent(parent, number=signal.SIGKILL):
    """Lets this process get the signal when `parent`'s main thread ends. All children are started by that thread."""
    if PRCTL:
        PRCTL(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        # It may have ended just before.
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def last_words(text):
    """Says it on standard error, if anybody reads that."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass


def flush():
    """Writes the rest of the output. Where it is closed nothing can be said, also not by Python's own last words."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
