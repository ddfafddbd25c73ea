# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The program access_tool, which asks the C access check, for tests written in Python."""

import os
import subprocess

import pytest


def program():
    """Path of access_tool in the build directory."""
    path = os.path.join(os.environ.get("CEP_BUILDDIR", os.curdir), "tests", "unit", "access_tool")
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is missing: set CEP_BUILDDIR, and run make check")
    return path


def _ask(lines):
    done = subprocess.run(
        [program()], input="".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    return answers


def granted(triples):
    """For each (descriptor, "enroll" or "autoenroll", SIDs as text): True or False."""
    lines = [f"{sd.hex() or '-'} {right} {','.join(sids) or '-'}\n" for sd, right, sids in triples]
    return [answer == "1" for answer in _ask(lines)]


def problems(descriptors):
    """For each descriptor None, or why it grants nothing."""
    answers = _ask([f"check {sd.hex() or '-'}\n" for sd in descriptors])
    return [None if answer == "ok" else answer for answer in answers]
