"""Types at an interactive redis-cli on a terminal and reads what it shows; the argument is the server's port."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios

COLUMNS = 200
# A text that has not come by then never comes.
PATIENCE_S = 45
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

    def read_until(self, *texts):
        """Reads until the texts were shown, one behind the other."""
        for text in texts:
            while text not in self.shown:
                ready, _, _ = select.select([self.fd], [], [], PATIENCE_S)
                if not ready:
                    self.cli.kill()
                    raise AssertionError(f"no {text!r} in {self.shown!r}")
                self.shown += CONTROL.sub("", os.read(self.fd, 4096).decode())
            self.shown = self.shown.split(text, 1)[1]

    def type(self, keys, *expected):
        self.shown = ""
        os.write(self.fd, keys.encode())
        self.read_until(*expected)


# Keys may be typed once a prompt is there: before that the terminal is not redis-cli's and changes them.
PROMPT = f"127.0.0.1:{sys.argv[1]}> "
terminal = Terminal(sys.argv[1])
terminal.read_until(PROMPT)
terminal.type("Q.JOIN ", "Q.JOIN zone [USER id] [IP addr] [AGENT text] [REQUEST id]")
terminal.type("shop ", "Q.JOIN shop [USER id] [IP addr] [AGENT text] [REQUEST id]")
# Ctrl-U empties the line.
terminal.type("\x15Q.ZONE SET ", "Q.ZONE SET zone [LIMIT limit] [WINDOW_MS milliseconds]")
terminal.type("\x15help Q.POLL\r", "summary: ", "group: zone", PROMPT)
terminal.type("Q.ZONE LIST\r", '1) "demo"', PROMPT)
os.write(terminal.fd, b"exit\r")
assert terminal.cli.wait() == 0
print("checked")
