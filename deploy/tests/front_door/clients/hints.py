"""Types at an interactive redis-cli on a terminal and reads what it shows; the argument is the server's port."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

COLUMNS = 200
# What a terminal is told besides text: colours, and where the cursor goes.
CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal:
    def __init__(self, port):
        ours, theirs = pty.openpty()
        # A terminal without columns is taken for none; the size is set before anybody looks.
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        environment = dict(os.environ, TERM="xterm", REDISCLI_HISTFILE="/dev/null")
        self.cli = subprocess.Popen(
            ["redis-cli", "-p", port], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self.fd, self.shown = ours, ""

    def read_until(self, expected):
        """Reads until the text is shown; a text that never comes ends with redis-cli, which is ended from outside."""
        while expected not in self.shown:
            try:
                self.shown += CONTROL.sub("", os.read(self.fd, 4096).decode())
            except OSError:
                raise AssertionError(f"no {expected!r} in {self.shown!r}") from None

    def type(self, text, expected):
        self.shown = ""
        os.write(self.fd, text.encode())
        self.read_until(expected)


terminal = Terminal(sys.argv[1])
terminal.read_until("> ")
terminal.type("Q.JOIN ", "Q.JOIN zone [USER id] [IP addr] [AGENT text] [REQUEST id]")
terminal.type("shop ", "Q.JOIN shop [USER id] [IP addr] [AGENT text] [REQUEST id]")
# Ctrl-U empties the line.
terminal.type("\x15Q.ZONE SET ", "Q.ZONE SET zone [LIMIT limit] [WINDOW_MS milliseconds]")
terminal.type("\x15help Q.POLL\r", "summary: ")
terminal.read_until("group: zone")
terminal.type("Q.ZONE LIST\r", '1) "demo"')
terminal.read_until("> ")
os.write(terminal.fd, b"exit\r")
assert terminal.cli.wait() == 0
print("checked")
