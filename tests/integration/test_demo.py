# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""./bootstrap demo, which newcomers see first: what it shows, and what it tells them to type."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from cep_env import TESTS
from cep_env.httpd import module_file

DEMO = os.path.join(TESTS, "demo", "demo.py")
CALLERS = (("alice", "user name and password in the message"), ("WS01$", "client certificate"),
           ("bob", "HTTP Basic"))


def demo(folder, *options):
    """Its output; whatever it has to keep, it keeps in folder."""
    environment = {**os.environ, "CEP_MODULE": os.path.abspath(module_file())}
    done = subprocess.run([sys.executable, DEMO, "--build", str(folder), *options], text=True,
                          env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tables(output, directory):
    """Each caller is shown what the evaluator says, one line a template."""
    for caller, way in CALLERS:
        text = output.split("\n%s, by %s " % (caller, way))[1].split("\n\n")[0].split("\n")
        assert text[1].split() == ["template", "schema", "key", "validity", "CA", "enroll",
                                   "autoenroll"]
        assert {line.split()[0] for line in text[2:] if line.startswith("  ")} == \
            set(directory.answer(caller)["policies"])


def test_once(tmp_path, sample_directory):
    output = demo(tmp_path, "--once")
    tables(output, sample_directory)
    assert output.endswith("The server is stopped again.\n")
    root = (tmp_path / "demo.root").read_text(encoding="utf-8").strip()
    assert not os.path.exists(root)


def root_of(output):
    return re.search(r"^  cd (/\S*mod_cep-demo-\S*)$", output, re.M)[1]


def kill(pid):
    try:
        os.kill(pid, signal.SIGTERM)
        for _ in range(500):
            os.kill(pid, 0)
            time.sleep(0.02)
    except ProcessLookupError:
        return
    raise AssertionError("the demo's httpd does not stop")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_what_it_tells_to_type(tmp_path, sample_directory):
    """Every command, as it is printed; and a second run ends the first one's server."""
    first = demo(tmp_path)
    output = demo(tmp_path)
    pids = [int(re.search(r"kill (\d+)$", text, re.M)[1]) for text in (first, output)]
    try:
        tables(output, sample_directory)
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)
        assert not os.path.exists(root_of(first))
        root = root_of(output)
        commands = re.findall(r"^  (curl (?:.*\\\n)*.*)$", output, re.M)
        assert len(commands) == 5
        for command in commands:
            done = subprocess.run(command.replace("curl", "curl -sS --fail", 1), shell=True,
                                  cwd=root, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, (command, done.stderr)
            assert ("GetPoliciesResponse" if "--data-binary" in command else "CEP-corp-State"
                    if "?auto" in command else '"Callers"') in done.stdout, (command, done.stdout)
        assert "Change %s/sample.ldif" % root in output
        for name in ("sample.ldif", "httpd.conf", "error.log"):
            assert os.path.exists(os.path.join(root, name))
    finally:
        kill(pids[1])
        shutil.rmtree(root_of(output))
