"""Ends the drill by a signal, and ends everything that it has started, however the drill itself ends."""

import ctypes
import os
import signal
import sys
import threading
from contextlib import contextmanager

# Ctrl-C, a stop by another program, a terminal that is closed, Ctrl-\.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
PR_SET_PDEATHSIG = 1
# Linux has it. It is looked up here, because as little as possible may be done between a fork and an exec.
PRCTL = getattr(ctypes.CDLL(None), "prctl", None)

come = None
held = False


class Ended(SystemExit):
    """The end that a signal asks for. Its status is the one that a shell would show."""

    def __init__(self, number, why=None):
        super().__init__(128 + number)
        self.why = why or f"ended by {signal.Signals(number).name}"


def watch():
    """Makes each of the signals an `Ended` in the main thread. A signal that is ignored from the start, by `nohup`,
    stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _take)
    told = threading.excepthook
    # Threads that still ask the gateway fail once it has gone.
    threading.excepthook = lambda failed: None if come else told(failed)


def _take(number, _):
    # A closed terminal often sends two. The second must not disturb what the first one has begun.
    global come
    if come is None:
        come = number
        check()


def check():
    """Ends the drill if a signal has come. Python drops an exception from a handler that runs within a destructor."""
    if come is not None and not held:
        raise Ended(come)


@contextmanager
def undisturbed():
    """Defers the end by a signal until the next check, so that the cleaning is complete."""
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
        # The parent may have ended just before.
        if os.getppid() != parent:
            os.kill(os.getpid(), number)


def last_words(text):
    """Writes a line to standard error, if anybody reads it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass


def flush():
    """Writes the rest of the output. If it is closed, nothing can be said, and Python's own last words must not be
    either."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
