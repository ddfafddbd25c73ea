# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Requests by curl: for Kerberos, HTTP/2 and Expect, which http.client does not know."""

import http.client
import io
import os
import subprocess
import tempfile
from dataclasses import dataclass

from . import soap

STREAM_ERROR = 92


@dataclass
class Response(soap.Response):
    version: str = ""


def run(command, body, environment):
    """curl 7.88 loses an answer of HTTP/2 that comes before its body is sent, with any server
    location; it is asked again."""
    for _ in range(20):
        done = subprocess.run(command, input=body, capture_output=True, timeout=30,
                              env={**os.environ, **environment})
        if done.returncode != STREAM_ERROR:
            break
    assert done.returncode == 0, (command, done.returncode, done.stderr)
    return done.stdout


def send(server, path, *options, body=None, port=None, environment=None):
    """body: None for a method that has none. environment: of kinit, for --negotiate."""
    with tempfile.NamedTemporaryFile() as headers:
        output = run(
            ["curl", "--silent", "--show-error", "--cacert", server.certificates.ca_file,
             "--dump-header", headers.name, "--header", "Content-Type: " + soap.CONTENT_TYPE,
             *(["--data-binary", "@-"] if body is not None else []), *options,
             "https://localhost:%d%s" % (port or server.port, path)],
            body, environment or {})
        # A 100 or a 401 may come before the answer.
        last = headers.read().split(b"\r\n\r\n")[-2]
    status, _, fields = last.partition(b"\r\n")
    version, number = status.decode().split()[:2]
    return Response(int(number), http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n")),
                    output, version)
