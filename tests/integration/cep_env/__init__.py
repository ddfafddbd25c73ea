# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: a private httpd, SOAP messages, an evaluator of policy."""

import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE = os.path.dirname(TESTS)
SAMPLE = os.path.join(SOURCE, "conf.d", "sample.ldif")

sys.path.insert(0, os.path.join(TESTS, "tools"))
