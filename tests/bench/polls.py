# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What one whole poll of a client costs httpd: a new TLS connection, 401, Kerberos, the answer.

    make -C build bench            (or: python3 tests/bench/polls.py --build build)

Against Samba's domain controller, with mod_auth_gssapi; the client is curl, a process for each poll,
with a ticket that it has already. Processor time of all of httpd's processes for one poll, beside
the same poll without Kerberos (a client certificate's handshake is not in either).
"""

import argparse
import os
import random
import re
import statistics
import subprocess
import sys

BENCH = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(BENCH), "integration"),
                os.path.join(os.path.dirname(BENCH), "tools"), BENCH]

import samba_ad  # noqa: E402
from answers import Bench  # noqa: E402
from cep_env import soap  # noqa: E402
from cep_env.httpd import PASSWORDS, directory_section, facts, location_section  # noqa: E402

ROUNDS, POLLS = 9, 12
GSSAPI, BASIC = "/kerberos", "/basic"


def configure(server, ad):
    lines = ["AuthType GSSAPI", 'AuthName "CEP"', "GssapiAllowedMech krb5", "GssapiSSLonly On",
             "GssapiNameAttributes json", "GssapiCredStore keytab:" + ad.keytab,
             "Require valid-user"]
    server.configure(
        directory_section(ad.ldaps, refresh="1h", extra=(
            "CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name,
            'CEPBindPasswordFile "%s"' % ad.password_file,
            'CEPCACertificateFile "%s"' % ad.ca_file)),
        location_section(GSSAPI, auth=False, extra=lines), location_section(BASIC),
        log_level="warn", server=("CEPTokenTTL 1h", "LoadModule auth_gssapi_module %s" %
                                  os.path.join(facts()["modules"], "mod_auth_gssapi.so")))
    with open(server.path("httpd.conf"), encoding="utf-8") as file:
        text = file.read()
    for name, value in (("StartServers", 1), ("ThreadsPerChild", 16), ("MinSpareThreads", 1),
                        ("MaxSpareThreads", 16), ("MaxRequestWorkers", 16)):
        text = re.sub("^%s .*" % name, "%s %d" % (name, value), text, flags=re.M)
    server.write("httpd.conf", text)


def poll(server, environment, path, *login):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", *login,
         "--cacert", server.certificates.ca_file, "--header", "Content-Type: " + soap.CONTENT_TYPE,
         "--header", "Expect:", "--data-binary", "@-", "--output", "-",
         "https://localhost:%d%s" % (server.port, path)],
        input=soap.build(), capture_output=True, env={**os.environ, **environment}, check=True)
    assert b"GetPoliciesResponse" in done.stdout
    return len(done.stdout)


def measure(bench, tickets):
    ways = {
        "TLS, 401, Kerberos, answer": (GSSAPI, "--negotiate", "--user", ":"),
        "TLS, answer": (BASIC, "--user", "alice:" + PASSWORDS["alice"]),
    }
    ways["control"] = ways["TLS, 401, Kerberos, answer"]
    cost = {name: [] for name in ways}
    octets = {name: poll(bench.server, tickets, *way) for name, way in ways.items()}
    for _ in range(ROUNDS):
        for name in random.sample(list(ways), len(ways)):
            before = bench.cpu()
            for _ in range(POLLS):
                poll(bench.server, tickets, *ways[name])
            cost[name].append((bench.cpu() - before) / POLLS)
    return cost, octets


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    build = os.path.abspath(parser.parse_args().build)
    os.environ.setdefault("CEP_BUILDDIR", build)
    reason = samba_ad.why_not()
    if not reason and not os.path.exists(os.path.join(facts()["modules"], "mod_auth_gssapi.so")):
        reason = "mod_auth_gssapi is not installed"
    if reason:
        print("polls: not measured, " + reason)
        return
    with samba_ad.SambaAD() as ad, Bench(build) as bench:
        configure(bench.server, ad)
        os.environ["KRB5_CONFIG"] = ad.krb5_conf
        os.environ["KRB5RCACHENAME"] = "file2:" + os.path.join(bench.server.cache, "replays")
        bench.start_httpd()
        bench.server.wait_for_policy()
        cost, octets = measure(bench, ad.kinit("alice"))
    reference = cost["TLS, 401, Kerberos, answer"]
    print("\none whole poll, new connection each   %10s %10s %8s" % ("octets", "CPU us", "ratio"))
    for name, values in cost.items():
        print("  %-34s  %10d %10.0f %8.2f" % (name, octets[name], statistics.median(values) * 1e6,
              statistics.median(a / b for a, b in zip(values, reference))))
    print("  one processor: %d such polls a second" % (1 / statistics.median(reference)))


if __name__ == "__main__":
    main()
