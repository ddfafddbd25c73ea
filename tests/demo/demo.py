# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""./bootstrap demo: serve the sample directory over HTTPS and show what two callers may enroll for.

    --once        stop the server again at the end
    --build DIR   where mod_cep was built
"""

import argparse
import base64
import os
import pwd
import signal
import sys
import tempfile
import time

from cryptography import x509
from cryptography.x509.oid import NameOID

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "integration"))

from cep_env import SAMPLE, soap  # noqa: E402
from cep_env.httpd import PASSWORDS, PATH, Httpd, directory_section, location_section  # noqa: E402

CALLERS = ("alice", "WS01$")
COLUMNS = ("template", "schema", "key", "validity", "CA", "enroll", "autoenroll")


def stop_earlier(note):
    """End the server of an earlier run: ports and files of one demo are enough."""
    try:
        with open(note, encoding="utf-8") as file:
            root = file.read().strip()
        with open(os.path.join(root, "httpd.pid"), encoding="utf-8") as file:
            pid = int(file.read())
        # The number may belong to another process by now.
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            if root.encode() in file.read():
                os.kill(pid, signal.SIGTERM)
                time.sleep(0.5)
    except (OSError, ValueError):
        pass


def days(seconds):
    return "%d y" % (seconds // 31536000) if seconds % 31536000 == 0 else \
        "%d d" % (seconds // 86400)


def key_of(policy):
    algorithm = policy["algorithmOIDReference"]
    return "%s %d" % (algorithm[2] if algorithm else "RSA", policy["minimalKeyLength"])


def ca_name(certificate):
    subject = x509.load_der_x509_certificate(base64.b64decode(certificate)).subject
    return subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def yes(value):
    return "yes" if value else "no"


def rows(model):
    for policy in (model["policies"] or {}).values():
        cas = ", ".join(ca_name(model["cas"][key]["certificate"]) for key in policy["cAs"])
        yield (policy["commonName"], "v%d" % policy["policySchema"], key_of(policy),
               days(policy["validityPeriodSeconds"]), cas, yes(policy["enroll"]),
               yes(policy["autoEnroll"]))


def print_table(lines):
    lines = [COLUMNS] + list(lines)
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for line in lines:
        print("  " + "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def show(server, caller):
    response = soap.send(server, user=caller)
    if response.status != 200:
        sys.exit("The server answered %d:\n%s" % (response.status, response.body.decode()))
    complaints = soap.validate(response.body)
    if complaints:
        sys.exit("The answer does not fit the schema:\n" + "\n".join(complaints))
    print("\n%s may enroll for (%d octets, valid against the strict schema):" %
          (caller, len(response.body)))
    print_table(rows(response.model()))


def start(build):
    os.environ.setdefault("CEP_BUILDDIR", os.path.abspath(build))
    server = Httpd("event", tempfile.mkdtemp(prefix="mod_cep-demo-"))
    with open(SAMPLE, encoding="utf-8") as file:
        sample = server.write("sample.ldif", file.read())
    with open(server.path("request.xml"), "wb") as file:
        file.write(soap.build(message_id="urn:uuid:00000000-0000-4000-8000-000000000001"))
    server.configure(directory_section("file:" + sample, refresh="5s"),
                     location_section(name="Sample policy of corp.example"))
    server.start().wait_for_policy()
    return server


def print_hints(server):
    print("""
Send the request by hand:
  curl --cacert %(root)s/ca.pem -u 'alice:%(password)s' \\
      -H 'Content-Type: application/soap+xml; charset=utf-8' \\
      --data-binary @%(root)s/request.xml https://localhost:%(port)d%(path)s
Change %(root)s/sample.ldif: the answers follow within seconds.
Configuration: %(root)s/httpd.conf
Log:           %(root)s/error.log
Stop it with:  kill %(pid)d""" % dict(root=server.root, port=server.port, path=PATH,
                                      password=PASSWORDS["alice"], pid=server.process.pid))


def main():
    parser = argparse.ArgumentParser(prog="./bootstrap demo", description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help="stop the server again at the end")
    options = parser.parse_args()
    note = os.path.join(options.build, "demo.root")

    stop_earlier(note)
    started = time.monotonic()
    server = start(options.build)
    with open(note, "w", encoding="utf-8") as file:
        file.write(server.root + "\n")
    print("== httpd %s serves conf.d/sample.ldif, %.1f s after its start" %
          ("as " + pwd.getpwuid(os.geteuid()).pw_name, time.monotonic() - started))
    print("URL: https://localhost:%d%s" % (server.port, PATH))
    for caller in CALLERS:
        show(server, caller)
    if options.once:
        server.close()
        print("\nThe server is stopped again.")
    else:
        print_hints(server)


if __name__ == "__main__":
    main()
