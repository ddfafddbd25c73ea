# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The program access_tool, which asks the C access check, for tests written in Python.

What it answers about single triples it has found equal by the plain walk and by compiled lists.
"""

import os
import subprocess

import pytest
from cep_env import SOURCE


def program():
    """Path of access_tool in the build directory."""
    build = os.environ.get("CEP_BUILDDIR") or os.path.join(SOURCE, "build")
    path = os.path.join(build, "tests", "unit", "access_tool")
    if not os.access(path, os.X_OK):
        pytest.fail(f"{path} is missing: set CEP_BUILDDIR, and run make check")
    return path


def _ask(lines, answers_wanted=None):
    done = subprocess.run(
        [program()], input="".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = done.stdout.splitlines()
    assert len(answers) == (len(lines) if answers_wanted is None else answers_wanted)
    return answers


def granted(triples):
    """For each (descriptor, "enroll" or "autoenroll", SIDs as text): True or False."""
    lines = [f"{sd.hex() or '-'} {right} {','.join(sids) or '-'}\n" for sd, right, sids in triples]
    return [answer == "1" for answer in _ask(lines)]


def problems(descriptors):
    """For each descriptor None, or why it grants nothing."""
    answers = _ask([f"check {sd.hex() or '-'}\n" for sd in descriptors])
    return [None if answer == "ok" else answer for answer in answers]


def batch(tokens, questions):
    """tokens: lists of SIDs as text; questions: (descriptor, first token, number of tokens).

    For each question: None or why the descriptor grants nothing; a digit for each token (1 Enroll,
    2 AutoEnroll) by the plain walk; the same by lists that all descriptors are compiled into.
    """
    lines = [f"token {','.join(sids) or '-'}\n" for sids in tokens]
    lines += [f"ask {sd.hex() or '-'} {first} {count}\n" for sd, first, count in questions]
    for answer in _ask([*lines, "run\n"], len(questions)):
        problem, walk, compiled = answer.split("|")
        yield None if problem == "ok" else problem, walk, compiled
