# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Waiting for what comes in its own time."""

import time


def wait_until(condition, timeout=10, why=lambda: None):
    """What condition() gives, as soon as that is true. why() says what came instead."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)
