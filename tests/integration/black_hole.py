# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A directory server in a network of its own, where packets can vanish: what is connected stays so,
what is new is not refused, and nothing comes back.

    with BlackHole(("127.0.0.1", slapd.port)) as hole:
        ... "ldap://" + hole.address, hole.swallow(), hole.release() ...
"""

import functools
import os
import random
import shutil
import socket
import subprocess
import sys

from relay import Relay

# Makes the listening socket in the other network, and hands it out.
LISTEN = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
socket.send_fds(socket.socket(fileno=0), [b"x"], [listener.fileno()])
"""


@functools.lru_cache(maxsize=None)
def why_not():
    """Why it cannot be had; None when it can."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return "a network of its own needs root and iproute2"
    name = "cep%dtry" % os.getpid()
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return "no network of its own: " + error.stderr.decode().strip()
    return None


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class BlackHole:
    """target: (host, port), where the server really is. address, port: where it seems to be."""

    def __init__(self, target, port=389):
        self.name, self.port = "cep%d" % os.getpid(), port
        net = "10.%d.%d." % (random.randrange(1, 250), random.randrange(1, 250))
        self.here, self.address = net + "1", net + "2"
        ip("netns", "add", self.name)
        try:
            self._connect()
            self.relay = Relay(self._listen(), target)
        except BaseException:
            ip("netns", "del", self.name)
            raise

    def _connect(self):
        ip("link", "add", self.name + "a", "type", "veth", "peer", "name", self.name + "b",
           "netns", self.name)
        ip("addr", "add", self.here + "/30", "dev", self.name + "a")
        ip("link", "set", self.name + "a", "up")
        self._inside("addr", "add", self.address + "/30", "dev", self.name + "b")
        self._inside("link", "set", self.name + "b", "up")

    def _listen(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with ours, theirs:
            subprocess.run(["ip", "netns", "exec", self.name, sys.executable, "-c", LISTEN,
                            self.address, str(self.port)], stdin=theirs, check=True)
            return socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])

    def _inside(self, *words):
        ip("-n", self.name, *words)

    def swallow(self):
        self._inside("route", "add", "blackhole", self.here + "/32")

    def release(self):
        self._inside("route", "del", "blackhole", self.here + "/32")

    def close(self):
        self.relay.close()
        ip("link", "del", self.name + "a")
        ip("netns", "del", self.name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
