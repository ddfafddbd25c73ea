# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What several httpds share callers in: a private redis or memcached."""

import shutil
import socket
import subprocess
import time

import pytest

from cep_env.httpd import free_port


class Store:
    """A redis or memcached of our own on a free loopback port, with nothing on disk."""

    def __init__(self, kind):
        self.kind, self.port, self.process = kind, free_port(), None
        program = {"redis": "redis-server", "memcache": "memcached"}[kind]
        self.program = shutil.which(program)
        if self.program is None:
            pytest.skip(program + " is not installed")

    def start(self):
        options = {"redis": ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                             "--appendonly", "no"],
                   "memcache": ["-p", str(self.port), "-l", "127.0.0.1", "-U", "0", "-u", "nobody"]}
        self.process = subprocess.Popen([self.program] + options[self.kind],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd="/")
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(self.program + " does not listen")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
        self.process = None

    def command(self, *words):
        """One redis command; lists, texts and numbers as Python has them."""
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(b"*%d\r\n" % len(words) +
                         b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
            return self.reply(sock.makefile("rb"))

    def reply(self, file):
        kind, rest = file.read(1), file.readline().strip()
        if kind == b"*":
            return [self.reply(file) for _ in range(int(rest))]
        if kind == b"$":
            return file.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        return rest

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
