# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Attacks on the reader of requests: the exact answer, nothing fetched, nobody else harmed."""

import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from attacks import ANSWER, ATTACKS, ID, NOTHING, octets
from cep_env import soap
from cep_env.evaluator import compare
from cep_env.httpd import PATH, has_modules, load_modules, location_section
from conftest import start_sample


class Bait:
    """A host and a file (a pipe) that notice whoever asks them."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "bait")
        os.mkfifo(self.file)
        os.chmod(self.file, 0o644)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(0)
        self.host = "127.0.0.1:%d" % self.socket.getsockname()[1]

    def taken(self):
        found = []
        try:
            self.socket.accept()[0].close()
            found.append("the host")
        except BlockingIOError:
            pass
        try:  # works only when somebody has the pipe open for reading
            os.close(os.open(self.file, os.O_WRONLY | os.O_NONBLOCK))
            found.append("the file")
        except OSError:
            pass
        return found


@pytest.fixture(scope="module")
def bait(tmp_path_factory):
    made = Bait(str(tmp_path_factory.mktemp("bait")))
    yield made
    made.socket.close()


def send(server, message, bait):
    return soap.send(server, octets(message, bait.file, bait.host))


def test_there_are_sixty():
    assert len(ATTACKS) == len({name for name, *_ in ATTACKS}) == 60
    assert all(len(octets(message)) <= 65536 for _, message, _ in ATTACKS)


def test_the_bait_is_noticed(bait):
    with socket.create_connection(bait.socket.getsockname()):
        reader = os.open(bait.file, os.O_RDONLY | os.O_NONBLOCK)
        assert bait.taken() == ["the host", "the file"]
        os.close(reader)
    assert bait.taken() == []


@pytest.mark.parametrize("message, expected", [row[1:] for row in ATTACKS],
                         ids=[row[0] for row in ATTACKS])
def test_attack(sample, sample_directory, bait, message, expected):
    response = send(sample, message, bait)
    if expected is ANSWER:  # harmless: the request in it is a good one
        assert compare(soap.check_answer(response), sample_directory.answer("alice")) == []
    elif expected is NOTHING:
        assert soap.check_answer(response)["policies"] is None
    else:
        code, subcode, reason = expected
        reasons = reason if isinstance(reason, tuple) else (reason,)
        assert soap.check_fault(response, code, subcode)["fault"]["reason"] in reasons
        assert soap.parse(response.body)["relates_to"] in (ID, None)
    assert bait.taken() == []
    # And the server goes on.
    assert compare(soap.check_answer(soap.send(sample)), sample_directory.answer("alice")) == []


def test_no_file_is_opened(make_httpd, bait, tmp_path):
    """What the system saw: no open and no connect while the attacks are read."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("strace is not installed")
    server = start_sample(make_httpd("prefork"))
    soap.check_answer(soap.send(server))
    output = str(tmp_path / "trace")
    command = [strace, "-f", "-e", "trace=open,openat,connect", "-o", output]
    for child in server.children():
        command += ["-p", str(child)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in server.children():
            if "attached" not in tracer.stderr.readline():
                pytest.skip("strace may not attach to processes here")
        for _, message, _ in ATTACKS:
            send(server, message, bait)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
    with open(output, encoding="utf-8", errors="replace") as file:
        calls = [line for line in file if "open" in line or "connect" in line]
    assert calls, "the tracer saw nothing at all, not even the password file"
    strangers = [line for line in calls if "bait" in line or "x.dtd" in line or
                 "AF_INET" in line or "/nonexistent" in line or "catalog" in line]
    assert strangers == []


HTML = "<html><head><title>caf\u00e9</title></head><body><p>%s &amp; &eacute; " \
       "<a href=\"/up/page\">x</a></p></body></html>"


def neighbour(server):
    """mod_proxy_html: a module of httpd's that parses with libxml2, in the same processes."""
    modules = ("proxy", "proxy_http", "xml2enc", "proxy_html")
    if not has_modules(*modules):
        pytest.skip("httpd has no mod_proxy_html")
    server.write("up.html", HTML % ("neighbour " * 200))
    section = ("ProxyPass /html/ http://127.0.0.1:%d/\n<Location /html/>\nProxyHTMLEnable On\n"
               "ProxyHTMLLinks a href\nProxyHTMLURLMap /up/ /html/\n</Location>\n"
               "<Location /up.html>\nForceType \"text/html; charset=utf-8\"\n</Location>")
    return load_modules(*modules), section % server.http_port


def get_html(server):
    client = soap.Client(server, user=None)
    response = client.send(path="/html/up.html", method="GET")
    client.close()
    assert response.status == 200
    return response.body


def test_neighbours_with_libxml2_are_unharmed(make_httpd, bait):
    """Its pages are the same before, while and after the attacks come, in the same process."""
    server = make_httpd()
    loads, section = neighbour(server)
    server.log.allow("AH01423", "AH01425", "AH0142", "AH0143")  # mod_proxy_html, mod_xml2enc
    start_sample(server, section, location_section(), server=(*loads, "CEPTokenTTL 0"))
    before = get_html(server)
    assert b'href="/html/page"' in before and b"neighbour" in before
    wrong = []

    def look():
        for _ in range(60):
            page = get_html(server)
            if page != before:
                wrong.append(page)

    looker = threading.Thread(target=look)
    looker.start()
    for _, message, _ in ATTACKS:
        send(server, message, bait)
    looker.join()
    assert wrong == []
    assert get_html(server) == before
    assert PATH and bait.taken() == []
