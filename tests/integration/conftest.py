# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Fixtures. A test announces what it makes httpd warn about: server.log.expect("CEP0501")."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cep_env import SAMPLE, evaluator, ldif  # noqa: E402
from cep_env.httpd import (  # noqa: E402
    MPMS, Httpd, directory_section, location_section, module_file)
from cep_env.leaks import leaks_of  # noqa: E402

_servers = []  # all that live, for the check of their logs after each test


def pytest_configure(config):
    config.addinivalue_line("markers", "shared: needs the reference data that CEP_SHARED names")


@pytest.fixture(scope="session", autouse=True)
def module_is_built():
    if not os.path.exists(module_file()):
        pytest.exit("%s is not there: build it first, or set CEP_MODULE" % module_file(), 2)


@pytest.fixture(autouse=True)
def announced_lines_only():
    """After each test: every warning was announced, every announcement came true."""
    yield
    complaints = [text for server in _servers for text in server.log.check()]
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def factory():
    """Yield a function that makes servers; they end when the generator does."""
    made = []

    def make(mpm="event"):
        server = Httpd(mpm)
        made.append(server)
        _servers.append(server)
        return server

    yield make
    complaints = []
    for server in made:
        try:
            server.stop()
            complaints += server.log.check()
        finally:
            _servers.remove(server)
            server.close()
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


@pytest.fixture
def make_httpd():
    """Servers for one test."""
    yield from factory()


@pytest.fixture(scope="module")
def make_module_httpd():
    """Servers for all tests of one file."""
    yield from factory()


def configure_sample(httpd, *sections, entries=None, url=None, refresh="1s", extra=(), **options):
    """One instance with Basic, or these sections, on a copy of the sample directory or on entries.

    url: a server with them. refresh, extra: of directory_section(). options: of configure()."""
    if entries is None:
        with open(SAMPLE, encoding="utf-8") as file:
            copy = httpd.write("policy.ldif", file.read())
    else:
        copy = httpd.write("policy.ldif", ldif.dump(entries))
    httpd.configure(directory_section(url or "file:" + copy, refresh=refresh, extra=extra),
                    *(sections or [location_section()]), **options)
    return httpd


def start_sample(httpd, *sections, **options):
    """The same, started."""
    return configure_sample(httpd, *sections, **options).start().wait_for_policy()


@pytest.fixture(scope="module")
def sample(make_module_httpd):
    """A server on the sample directory, event MPM."""
    return start_sample(make_module_httpd("event"))


@pytest.fixture(scope="module", params=MPMS)
def sample_each_mpm(request, make_module_httpd):
    """The same under each MPM."""
    return start_sample(make_module_httpd(request.param))


@pytest.fixture(scope="module")
def leaks(server):
    """What no refusal may hold, for a file whose server is on the sample directory."""
    return leaks_of(server)


@pytest.fixture(scope="session")
def sample_directory():
    """The evaluator's view of the sample directory."""
    return evaluator.Directory(ldif.read(SAMPLE))


@pytest.fixture(scope="session")
def active_directory():
    """A real domain controller with the sample directory, or the test is skipped by name.

    Tests that change it put things back; one that stops it starts it again."""
    import samba_ad
    reason = samba_ad.why_not()
    if reason:
        pytest.skip(reason)
    with samba_ad.SambaAD() as directory:
        yield directory


@pytest.fixture
def lockout(active_directory):
    """The domain locks accounts out after five wrong passwords, and so it counts them."""
    domain = "DC=corp,DC=example"
    active_directory.replace(domain, "lockoutThreshold", 5)
    yield
    active_directory.replace(domain, "lockoutThreshold", 0)


@pytest.fixture(scope="session")
def shared():
    """The folder of reference data, or the test is skipped by name."""
    folder = os.environ.get("CEP_SHARED", "")
    if not os.path.isdir(os.path.join(folder, "data")):
        pytest.skip("CEP_SHARED names no folder with reference data")
    return os.path.join(folder, "data")
