# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What the time of a refusal tells somebody who guesses names and passwords (AuthType CEP).

    make -C build bench            (or: python3 tests/bench/refusals.py --build build)

The passwords are hashed with bcrypt, which takes a provider milliseconds, and a name that nobody has
takes it none: without care the two could be told apart by one request. Kinds of refusals take
turns in random order, over one kept connection. Of two kinds the last column says how often the
one takes longer than the other, of all pairs: 0.50 is no difference, 0.00 and 1.00 a certain one.
The control is the first kind a second time.
"""

import argparse
import bisect
import os
import random
import statistics
import subprocess
import sys
import time

BENCH = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(BENCH), "integration"), BENCH]

from cep_env import SAMPLE, soap  # noqa: E402
from cep_env.httpd import Httpd, directory_section, location_section  # noqa: E402

ROUNDS, COST = 150, 8
COUNTED, LOCKED = "/counted", "/locked"


def location(path, failures):
    return location_section(path, auth=False, extra=(
        "AuthType cep", "CEPAuthProvider file", 'AuthUserFile "${ROOT}/bcrypt"',
        "CEPAuthFailures " + failures, "Require valid-user"))


def start(server):
    for flags, user in (("-bcB", "alice"), ("-bB", "bob")):
        subprocess.run(["htpasswd", flags, "-C", str(COST), server.path("bcrypt"), user, "right"],
                       check=True, stderr=subprocess.DEVNULL)
    os.chmod(server.path("bcrypt"), 0o644)
    server.configure(directory_section("file:" + SAMPLE, refresh="1h"),
                     location(COUNTED, "1000 1s"), location(LOCKED, "3 30m"), log_level="crit")
    server.start().wait_for_policy()


def refusal(client, path, user):
    """Seconds until it has come."""
    body = soap.build(headers=soap.credentials(user, "wrong"))
    begun = time.perf_counter()
    response = client.send(body, path=path)
    took = time.perf_counter() - begun
    soap.check_fault(response, "Sender", "FailedAuthentication")
    return took


def measure(client):
    kinds = {"wrong password": lambda: (COUNTED, "alice"),
             "control": lambda: (COUNTED, "alice"),
             "name that nobody has": lambda: (COUNTED, "u%d" % random.randrange(10 ** 9)),
             "locked account": lambda: (LOCKED, "bob")}
    for _ in range(3):
        refusal(client, LOCKED, "bob")
    for _ in range(10):  # how long the provider takes is learnt
        refusal(client, COUNTED, "alice")
    took = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in random.sample(list(kinds), len(kinds)):
            took[kind].append(refusal(client, *kinds[kind]()))
    return took


def takes_longer(one, other):
    """The part of all pairs in which one takes longer."""
    other = sorted(other)
    return sum(bisect.bisect_left(other, value) for value in one) / len(one) / len(other)


def show(took):
    reference = took["wrong password"]
    print("%-24s %10s %24s %8s" % ("refusal", "median ms", "quartiles", "longer"))
    for kind, values in took.items():
        low, middle, high = (value * 1e3 for value in statistics.quantiles(values, n=4))
        print("%-24s %10.2f      [%8.2f..%8.2f] %8.2f" % (
            kind, middle, low, high, takes_longer(values, reference)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    os.environ.setdefault("CEP_BUILDDIR", os.path.abspath(parser.parse_args().build))
    server = Httpd("event")
    try:
        start(server)
        client = soap.Client(server, user=None)
        show(measure(client))
        client.close()
    finally:
        server.close()


if __name__ == "__main__":
    main()
