# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""httpd's error log: what was said, and what a test did not announce.

Every line of level warn and above must be announced by the test that causes it, and every
announcement must come true. A crash can not be announced.
"""

import re
import time

LINE = re.compile(r"^\[[^\]]*\] \[(?P<module>[\w-]*):(?P<level>\w+)\] (?:\[pid [^\]]*\] )?"
                  r"(?P<rest>.*)$")
LEVELS = ("emerg", "alert", "crit", "error", "warn")
FATAL = re.compile(r"Segmentation fault|exit signal|glibc detected|Assertion|double free|"
                   r"AddressSanitizer|runtime error:|stack smashing")


# httpd's own, and no trouble: a child of the event MPM that is told to end while a connection
# goes into keep-alive or is being closed takes the pollset from under it.
USUAL = re.compile(r"AH0309[23]: \w+: apr_pollset_add failure")


KILLED = re.compile(r"AH00052: child pid \d+ exit signal Killed \(9\)")


class LogLine:
    def __init__(self, text):
        match = LINE.match(text)
        self.text = text
        self.module = match.group("module") if match else ""
        self.level = match.group("level") if match else ""
        self.message = match.group("rest") if match else text
        code = re.search(r"\bCEP\d{4}\b", self.message)
        self.code = code.group(0) if code else None

    def matches(self, pattern):
        """pattern: a code ("CEP0501"), or a regular expression."""
        if re.fullmatch(r"CEP\d{4}", pattern):
            return self.code == pattern
        return re.search(pattern, self.text) is not None


class ErrorLog:
    """Reads on from where the last check ended."""

    def __init__(self, path):
        self.path = path
        self.position = 0
        self.expected = []  # [pattern, least number of lines]
        self.allowed = []
        self.kills = False  # the test kills children: httpd says so, and has no other fault

    def lines(self, start=None):
        """The complete lines from start (default: the last check), and where they end."""
        try:
            with open(self.path, "rb") as file:
                file.seek(self.position if start is None else start)
                data = file.read()
        except FileNotFoundError:
            return [], 0
        end = data.rfind(b"\n") + 1
        texts = data[:end].decode("utf-8", "replace").splitlines()
        return [LogLine(text) for text in texts], \
            (self.position if start is None else start) + end

    def marker(self):
        """A position for find() and wait_for()."""
        return self.lines(0)[1]

    def find(self, pattern, start=0):
        return [line for line in self.lines(start)[0] if line.matches(pattern)]

    def trouble(self, pattern, start=0):
        """The same, but only lines of level warn and above."""
        return [line for line in self.find(pattern, start) if line.level in LEVELS]

    def wait_for(self, pattern, start=0, timeout=10, count=1):
        """The lines that match, as soon as there are count of them."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.find(pattern, start)
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, "no line like %r in %s after %s s:\n%s" % (
                pattern, self.path, timeout, self.tail())
            time.sleep(0.02)

    def tail(self, count=25):
        return "\n".join(line.text for line in self.lines(0)[0][-count:])

    def expect(self, *patterns, count=1):
        """Announce lines of level warn and above; each pattern must appear count times or more."""
        self.expected += [[pattern, count] for pattern in patterns]

    def allow(self, *patterns):
        """Announce lines that may appear."""
        self.allowed += patterns

    def check(self):
        """A list of complaints about all lines since the last check; forgets announcements."""
        deadline = time.monotonic() + 3
        while True:
            lines, end = self.lines()
            missing = [pattern for pattern, count in self.expected
                       if sum(line.matches(pattern) for line in lines) < count]
            if not missing or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        known = [pattern for pattern, _ in self.expected] + self.allowed
        result = ["announced, but not in the log: %s" % pattern for pattern in missing]
        for line in lines:
            if self.kills and KILLED.search(line.text):
                continue
            if FATAL.search(line.text):
                result.append("fatal: %s" % line.text)
            elif line.level in LEVELS and not USUAL.search(line.text) and \
                    not any(line.matches(pattern) for pattern in known):
                result.append("not announced: %s" % line.text)
        self.position, self.expected, self.allowed = end, [], []
        return result
