"""Signals that come at a bad moment: each in a process of its own, since it ends by them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Raised in logging's own hook, as a signal is that comes while a process is being forked.
IN_THE_HOOK = """
import logging, os, signal, sys, time
from drillbook import interrupts
interrupts.heed()

class Lock:
    def __init__(self, lock): self.lock, self.sent = lock, False
    def acquire(self): return self.lock.acquire()
    def release(self):
        self.lock.release()
        if not self.sent:
            self.sent = True
            os.kill(os.getpid(), signal.{name})

logging._lock = Lock(logging._lock)
try:
    logging.getLogger("one")
    for _ in range(500):
        time.sleep(0.01)  # until the signal comes, or for 5 s
    print("nobody asked")
except KeyboardInterrupt as asked:
    print("asked by", asked)
"""
DROPPED = """
import os, signal
from drillbook import interrupts
interrupts.heed()

class Finalised:
    def __del__(self): os.kill(os.getpid(), signal.{name})

Finalised()
try:
    interrupts.check()
    print("nobody asked")
except KeyboardInterrupt as asked:
    print("asked by", asked)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("code", [IN_THE_HOOK, DROPPED], ids=["in the hook", "dropped"])
def test_an_interrupt_is_not_lost(name: str, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code.replace("{name}", name)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"asked by {name}\n", done.stderr
    assert ("Exception ignored" in done.stderr) == (code is DROPPED)


def test_without_a_signal_nothing_is_raised() -> None:
    code = "from drillbook import interrupts as i; i.heed(); i.check(); print('went on')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "went on\n", done.stderr
