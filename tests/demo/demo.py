# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""./bootstrap demo: serve the sample directory over HTTPS and show what callers may enroll for.

They come by HTTP Basic, by user name and password in the message, and by client certificate.
Kerberos is not shown: it takes a KDC.

    --once        stop the server again at the end
    --build DIR   where mod_cep was built
"""

import argparse
import base64
import os
import pwd
import shutil
import signal
import sys
import tempfile
import time

from cryptography import x509
from cryptography.x509.oid import NameOID

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "integration"))

sys.path.insert(0, os.path.join(TESTS, "tools"))

from cep_env import SAMPLE, ldif, soap  # noqa: E402
from cep_env.certs import ClientAuthority, sid_extension  # noqa: E402
from cep_env.httpd import PASSWORDS, PATH, Httpd, directory_section, location_section  # noqa: E402
from security_descriptor import sid_from_bytes  # noqa: E402

USERNAME = PATH
BASIC = "/policy"  # Windows has no such way: any authentication of httpd's may stand here
CERTIFICATE = "/ADPolicyProvider_CEP_Certificate/service.svc/CEP"
STATUS = "/cep-status"
ONLY_VERIFIED = "Require expr \"%{SSL_CLIENT_VERIFY} == 'SUCCESS'\""
MESSAGE_ID = "urn:uuid:00000000-0000-4000-8000-000000000001"
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
            if root.encode() not in file.read():
                return
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 10
        while os.path.exists("/proc/%d" % pid) and time.monotonic() < end:
            time.sleep(0.05)
        shutil.rmtree(root, ignore_errors=True)
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


def show(server, caller, way, body=None, **options):
    response = soap.send(server, body, **options)
    if response.status != 200:
        sys.exit("The server answered %d:\n%s" % (response.status, response.body.decode()))
    complaints = soap.validate(response.body)
    if complaints:
        sys.exit("The answer does not fit the schema:\n" + "\n".join(complaints))
    print("\n%s, by %s (%d octets, valid against the strict schema):" %
          (caller, way, len(response.body)))
    print_table(rows(response.model()))


def write_directory(server, authority):
    """The sample, which trusts the CA of the demo's client certificate, too. The SID of WS01$."""
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "NTAuthCertificates").add("cACertificate", authority.der)
    ldif.write(server.path("sample.ldif"), entries)
    computer = next(entry for entry in entries if entry.text("sAMAccountName") == "WS01$")
    return sid_from_bytes(computer.value("objectSid"))


def start(build):
    os.environ.setdefault("CEP_BUILDDIR", os.path.abspath(build))
    server = Httpd("event", tempfile.mkdtemp(prefix="mod_cep-demo-"))
    authority = ClientAuthority(server.root, "Demo client CA")
    client = authority.issue(sid_extension(write_directory(server, authority)), subject="ws01")
    certificate = server.path("ws01.pem")
    os.rename(client.path, certificate)
    for name, headers in (("request", ""),
                          ("request-username", soap.credentials("alice", PASSWORDS["alice"]))):
        with open(server.path(name + ".xml"), "wb") as file:
            file.write(soap.build(message_id=MESSAGE_ID, headers=headers))
    name = "Sample policy of corp.example"
    server.configure(
        directory_section("file:" + server.path("sample.ldif"), refresh="5s"),
        "SSLCACertificateFile " + server.write("client-ca.pem", authority.pem),
        "SSLVerifyClient optional",
        location_section(BASIC, name=name),
        location_section(USERNAME, name=name, auth=False, extra=(
            "AuthType CEP", "CEPAuthProvider file", 'AuthUserFile "${ROOT}/users"',
            "Require valid-user")),
        location_section(CERTIFICATE, name=name, auth=False, extra=(ONLY_VERIFIED,)),
        location_section(STATUS, directory=None, name=None).replace(
            "SetHandler cep", "SetHandler cep-status"))
    server.start().wait_for_policy()
    return server, certificate


def print_hints(server, certificate):
    print("""
Send the requests by hand:
  cd %(root)s
  curl --cacert ca.pem -H 'Content-Type: application/soap+xml; charset=utf-8' \\
      -u 'alice:%(password)s' --data-binary @request.xml %(base)s%(path)s
  curl --cacert ca.pem -H 'Content-Type: application/soap+xml; charset=utf-8' \\
      --data-binary @request-username.xml %(base)s%(username)s
  curl --cacert ca.pem -H 'Content-Type: application/soap+xml; charset=utf-8' \\
      --cert %(file)s --data-binary @request.xml %(base)s%(certificate)s
How the directory fares, and why bob is offered what:
  curl --cacert ca.pem -u 'alice:%(password)s' '%(base)s%(status)s?auto'
  curl --cacert ca.pem -u 'alice:%(password)s' '%(base)s%(status)s?user=bob&json'
Change %(root)s/sample.ldif: the answers follow within seconds.
Configuration: %(root)s/httpd.conf
Log:           %(root)s/error.log
Stop it with:  kill %(pid)d""" % dict(
        root=server.root, base="https://localhost:%d" % server.port, path=BASIC, username=USERNAME,
        certificate=CERTIFICATE, status=STATUS, file=os.path.basename(certificate),
        password=PASSWORDS["alice"], pid=server.process.pid))


def main():
    parser = argparse.ArgumentParser(prog="./bootstrap demo", description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--once", action="store_true", help="stop the server again at the end")
    options = parser.parse_args()
    note = os.path.join(options.build, "demo.root")

    stop_earlier(note)
    started = time.monotonic()
    server, certificate = start(options.build)
    with open(note, "w", encoding="utf-8") as file:
        file.write(server.root + "\n")
    print("== httpd %s serves conf.d/sample.ldif, %.1f s after its start" %
          ("as " + pwd.getpwuid(os.geteuid()).pw_name, time.monotonic() - started))
    print("URL: https://localhost:%d%s" % (server.port, USERNAME))
    with open(server.path("request-username.xml"), "rb") as file:
        by_username = file.read()
    show(server, "alice", "user name and password in the message", by_username, user=None)
    show(server, "WS01$", "client certificate", user=None, certificate=certificate,
         path=CERTIFICATE)
    show(server, "bob", "HTTP Basic", user="bob", path=BASIC)
    if options.once:
        server.close()
        shutil.rmtree(server.root)
        print("\nThe server is stopped again.")
    else:
        print_hints(server, certificate)


if __name__ == "__main__":
    main()
