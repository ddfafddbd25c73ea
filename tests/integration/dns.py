# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A small DNS server for tests, and a command in front of which programs see only this one.

    with Dns({"_ldap._tcp.corp.example": [(0, 100, 389, "dc1.corp.example")]},
             {"dc1.corp.example": "127.3.4.5"}) as dns:
        environment.setenv("CEP_WRAPPER", dns.wrapper(tmp_path))

The resolver knows port 53 only, so it takes an address of its own, and root. The system's
resolv.conf stays as it is: the program gets a mount namespace in which another one covers it.
"""

import os
import random
import shlex
import shutil
import socket
import struct
import threading

SRV, A = 33, 1


def why_not():
    """Why it cannot be had; None when it can."""
    if os.geteuid() != 0:
        return "a DNS server needs root, for its port"
    if not shutil.which("unshare") or os.system("unshare --mount true 2>/dev/null") != 0:
        return "mount namespaces cannot be made"
    return None


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")
                    if label) + b"\0"


def question(packet):
    """The name, the type, and the octets of the question."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode().lower())
        at += packet[at] + 1
    return ".".join(labels), struct.unpack(">H", packet[at + 1:at + 3])[0], packet[12:at + 5]


class Dns:
    """services: name -> [(priority, weight, port, host)]; hosts: name -> address. mode: "answers",
    "silent" or "garbage"; asked: the names of SRV records that were asked for."""

    def __init__(self, services, hosts, mode="answers", ttl=600):
        self.services, self.hosts, self.mode, self.ttl = services, hosts, mode, ttl
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(100):
            self.address = "127.%d.%d.%d" % tuple(random.randrange(2, 250) for _ in range(3))
            try:
                self.socket.bind((self.address, 53))
                break
            except OSError:
                continue
        threading.Thread(target=self._serve, daemon=True).start()

    def wrapper(self, directory):
        """What to put in front of a command."""
        path = os.path.join(directory, "resolv.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("nameserver %s\noptions timeout:2 attempts:1\n" % self.address)
        os.chmod(path, 0o644)
        return "unshare --mount sh -c %s sh" % shlex.quote(
            'mount --bind %s /etc/resolv.conf && exec "$@"' % shlex.quote(path))

    def _serve(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
                self.socket.sendto(self._answer(packet), peer)
            except (OSError, IndexError, struct.error):
                if self.socket.fileno() < 0:
                    return

    def _answer(self, packet):
        name, kind, asked = question(packet)
        if kind == SRV:
            self.asked.append(name)
        if self.mode == "silent" and kind == SRV:
            raise OSError("no answer")
        records = []
        if kind == SRV:
            records = [struct.pack(">HHH", *record[:3]) + encode(record[3])
                       for record in self.services.get(name, ())]
        elif kind == A and name in self.hosts:
            records = [socket.inet_aton(self.hosts[name])]
        known = name in self.services or name in self.hosts
        header = packet[:2] + struct.pack(">HHHHH", 0x8580 | (0 if known else 3), 1, len(records),
                                          0, 0)
        if self.mode == "garbage" and kind == SRV:
            return header + asked + b"\xc0\xff" * 30
        return header + asked + b"".join(
            b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, self.ttl, len(data)) + data
            for data in records)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
