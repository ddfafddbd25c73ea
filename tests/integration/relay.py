# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Somebody in the middle: passes TCP connections on, and remembers or changes what they are.

    with Relay(("127.0.0.2", 0), (ad.address, 389)) as relay:
        ... relay.port, relay.connections, relay.seen (all octets, both ways) ...
"""

import socket
import ssl
import threading


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class Relay:
    """address: where it listens, or a socket that does.

    tls: (certificate, key) with which TLS ends here; it begins again towards the target.

    cut_after: what the target sends beyond so many octets on a connection does not arrive; None:
    all does. then: what becomes of the connection: "dies", "stalls" or "talks nonsense". cuts: how
    often that was; longest: the most octets that came on one connection."""

    def __init__(self, address, target, tls=None):
        self.target = target
        self.connections = 0
        self.seen = b""
        self.cut_after = None
        self.then = "dies"
        self.cuts = self.longest = 0
        self.tls = server_context(*tls) if tls else None
        self.listener = address if isinstance(address, socket.socket) else \
            socket.create_server(address)
        self.port = self.listener.getsockname()[1]
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(self.target, timeout=20)
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                server = context.wrap_socket(server)
            back = threading.Thread(target=self._pump, args=(server, client, True), daemon=True)
            back.start()
            self._pump(client, server)
            back.join(20)
        except OSError:
            pass
        finally:
            client.close()

    def _pump(self, source, sink, answers=False):
        passed = 0
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                self.seen += data
                passed += len(data)
                if answers:
                    self.longest = max(self.longest, passed)
                if answers and self.cut_after is not None and passed > self.cut_after:
                    self.cuts += 1
                    sink.sendall(data[:max(0, len(data) - (passed - self.cut_after))])
                    self._cut(source, sink)
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _cut(self, source, sink):
        if self.then == "talks nonsense":
            sink.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100)
        if self.then == "dies":
            sink.shutdown(socket.SHUT_RDWR)
            source.shutdown(socket.SHUT_RDWR)
        else:  # until the other side has had enough
            while source.recv(65536):
                pass

    def close(self):
        self.closed = True
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
