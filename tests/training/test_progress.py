"""What a person sees: plain lines in a pipe, a live bar in a terminal, nothing when asked for quiet."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
import threading

import pytest

from rnnjax.training import train
from rnnjax.training.progress import ProgressReport

EVALUATION = {"validation loss": 0.25}


@contextlib.contextmanager
def terminal(monkeypatch):
    """A pseudo-terminal in the place of stderr; yields a list that holds what was drawn, once it is closed."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = pty.openpty()
    drawn: list[bytes] = []

    def read():
        with contextlib.suppress(OSError):  # the end of a terminal that was closed on the other side
            while part := os.read(ours, 4096):
                drawn.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    text: list[str] = []
    with open(theirs, "w") as screen, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", screen)
        yield text
    reader.join(10)
    os.close(ours)
    text.append(b"".join(drawn).decode())


def test_a_terminal_shows_a_live_bar(small, monkeypatch, capsys):
    """In a terminal a bar is drawn and redrawn in place, with updates a second, loss and gradient norm."""
    with terminal(monkeypatch) as text:
        run = train(small())
    [drawn] = text
    assert "\x1b[?25l" in drawn and "\x1b[?25h" in drawn, "the cursor was not hidden and shown again"
    assert "\x1b[2K" in drawn or "\x1b[1A" in drawn, "nothing was drawn in place"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    assert "━" in plain and "Elman on latch" in plain
    last = run.records[-1]
    shown = f"loss {last['loss']:.4g}  |grad| {last['grad_norm']:.3g}  validation error_rate 0"
    assert re.search(rf"40/40 +\d+ step/s  {re.escape(shown)}", plain), plain
    assert capsys.readouterr().out == ""


def test_a_pipe_gets_a_line_an_evaluation(small, capsys):
    """Without a terminal each evaluation is one line on stdout, with what the bar shows and the time left."""
    run = train(small())
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    lines = captured.out.splitlines()
    assert len(lines) == len(run.records) == 4
    for line, record in zip(lines, run.records, strict=True):
        shown = f"loss {record['loss']:.4g}  |grad| {record['grad_norm']:.3g}"
        shown += f"  validation error_rate {record['validation']['error_rate']:.4g}"
        pattern = rf"Elman on latch {record['step']}/40  \d+ step/s  {re.escape(shown)}  \d+ s left"
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("place", ["terminal", "pipe"])
def test_quiet_prints_nothing(place, small, monkeypatch, capsys):
    with terminal(monkeypatch) if place == "terminal" else contextlib.nullcontext([""]) as text:
        train(small(), quiet=True)
        with ProgressReport(10, quiet=True) as report:
            report.note("a remark")
    assert text == [""]
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_the_rate_counts_updates_of_this_process(monkeypatch, capsys):
    """A run taken up again at update 50 has made 10 updates in 5 seconds at update 60: two a second, 20 s for 40."""
    now = iter([100.0, 105.0])
    monkeypatch.setattr("rnnjax.training.progress.time.monotonic", lambda: next(now))
    with ProgressReport(100, start=50, title="again") as report:
        report.update(60, 0.5, 2.0, EVALUATION)
    line = "again 60/100  2 step/s  loss 0.5  |grad| 2  validation loss 0.25  20 s left\n"
    assert capsys.readouterr().out == line


def test_a_remark_stays(monkeypatch, capsys):
    """A remark is a line of its own, in a pipe and above a live bar; brackets in it are not markup."""
    remark = "exploding gradient [bold]3[/bold]"
    with ProgressReport(10) as report:
        report.note(remark)
    assert capsys.readouterr().out == remark + "\n"
    with terminal(monkeypatch) as text, ProgressReport(10) as report:
        report.note(remark)
    assert remark in text[0]
