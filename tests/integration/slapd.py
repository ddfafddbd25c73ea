# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A private OpenLDAP slapd with the project's copy of the AD CS schema, for tests.

    server = Slapd(scratch_directory, path, tls=make_certificates(other_directory))
    server.start()
    ... server.ldap, server.ldaps, server.ldapi, server.bind_dn, server.password_file ...
    server.stop()

It is a process of its own on loopback ports that were free, works as root and as an ordinary user,
and has nothing to do with a slapd that the system may run.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from cep_env import SAMPLE, certs, ldif
from cep_env.httpd import free_port

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = HERE / "adcs.schema"
MODULE_PATHS = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/libexec/openldap")


def find_slapd():
    """Path of slapd, or None when it is not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec"
    return shutil.which("slapd", path=path)


# --- the content --------------------------------------------------------------------------------


def _container(dn):
    kind, value = ldif.rdns(dn)[0].split("=", 1)
    classes = {"dc": "domainDNS", "ou": "organizationalUnit"}
    entry = ldif.Entry(dn)
    entry.set("objectClass", "top", classes.get(kind.lower(), "container"))
    entry.set(kind, value.replace("\\", ""))
    return entry


def complete_tree(entries):
    """The suffix, and entries without root DSE, parents first, with containers left out before."""
    known = {ldif.split_dn(entry.dn): entry for entry in entries if ldif.rdns(entry.dn)}
    suffix = ldif.rdns(min((entry.dn for entry in known.values()),
                           key=lambda dn: len(ldif.rdns(dn))))
    while not all(ldif.is_within(entry.dn, ",".join(suffix)) for entry in known.values()):
        suffix = suffix[1:]
    for entry in list(known.values()):
        parts = ldif.rdns(entry.dn)
        for i in range(1, len(parts) - len(suffix) + 1):
            above = ",".join(parts[i:])
            known.setdefault(ldif.split_dn(above), _container(above))
    return ",".join(suffix), sorted(known.values(), key=lambda entry: len(ldif.rdns(entry.dn)))


# --- certificates -------------------------------------------------------------------------------


class Certificates:
    """Paths of PEM files: ca, and certificate with key that it issued; other_ca issued nothing."""

    def __init__(self, directory, names):
        made = certs.Certificates(directory, names)
        self.ca = made.ca_file
        self.certificate, self.key = made.server_file, made.server_key_file
        self.other_ca = os.path.join(directory, "other-ca.pem")
        other = certs.ClientAuthority(directory, "Other CA")
        certs.write(self.other_ca, other.pem.encode(), 0o644)


def make_certificates(directory, names=("127.0.0.1", "ldap.example.test")):
    """A CA and a server certificate for names, made anew; returns Certificates."""
    os.makedirs(directory, exist_ok=True)
    return Certificates(str(directory), names)


# --- the server ---------------------------------------------------------------------------------


class Slapd:
    """directory: scratch, made when absent; its path has to be short, for the UNIX socket.

    content: path of an LDIF file, or LDIF text. tls: Certificates, or None for a server without TLS.
    options: more lines for slapd.conf's database section, such as
    "limits dn.exact=... size.soft=5 size.hard=5 size.prtotal=unlimited". root_dse: attributes to
    add to the root DSE as {name: value or list}; the default names the partitions as AD does, {}
    makes it one of OpenLDAP. anonymous: what an unbound caller may do, a level of slapd.access(5).
    global_options: more lines for slapd.conf's global section.
    """

    password = "Adm1n-Passw0rd"

    def __init__(
        self,
        directory,
        content,
        tls=None,
        options=(),
        root_dse=None,
        anonymous="read",
        global_options=(),
    ):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.tls = tls
        self.options = list(options)
        self.global_options = list(global_options)
        self.anonymous = anonymous
        text = str(content)
        if "\n" not in text:
            text = pathlib.Path(text).read_text(encoding="utf-8-sig")
        self.suffix, self.entries = complete_tree(ldif.parse(text))
        self.root_dse = self._partitions() if root_dse is None else root_dse
        self.bind_dn = "cn=reader," + self.suffix
        self.password_file = str(self.directory / "password")
        self.log = self.directory / "slapd.log"
        self.process = None
        self.port = self.tls_port = None
        self._prepare()

    def _partitions(self):
        for entry in self.entries:
            first, *rest = ldif.rdns(entry.dn)
            if first.lower() == "cn=configuration":
                return {
                    "configurationNamingContext": entry.dn,
                    "defaultNamingContext": ",".join(rest),
                }
        return {}

    @property
    def ldap(self):
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldaps(self):
        return f"ldaps://127.0.0.1:{self.tls_port}"

    @property
    def socket(self):
        return str(self.directory / "ldapi")

    @property
    def ldapi(self):
        return "ldapi://" + urllib.parse.quote(self.socket, safe="")

    def _configuration(self):
        lines = [f"include {SCHEMA}", f"pidfile {self.directory}/slapd.pid"]
        lines += [f"modulepath {path}" for path in MODULE_PATHS if os.path.isdir(path)][:1]
        lines += ["moduleload back_mdb", f"rootDSE {self.directory}/rootdse.ldif"]
        if self.tls:
            lines += [
                f"TLSCACertificateFile {self.tls.ca}",
                f"TLSCertificateFile {self.tls.certificate}",
                f"TLSCertificateKeyFile {self.tls.key}",
            ]
        lines += self.global_options
        local = f"gidNumber={os.getgid()}+uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
        lines += [
            f'access to dn.base="" by users read by * {self.anonymous}',
            "database mdb",
            "maxsize 268435456",
            f'suffix "{self.suffix}"',
            f"directory {self.directory}/db",
            f'access to attrs=userPassword by dn.exact="{local}" write by anonymous auth',
            f'access to * by dn.exact="{local}" write by users read by * {self.anonymous}',
        ]
        # An account like any other: limits do not hold for slapd's rootdn.
        return "\n".join(lines + self.options) + "\n"

    def _prepare(self):
        (self.directory / "db").mkdir(exist_ok=True)
        certs.write(self.password_file, self.password.encode() + b"\n", 0o600)
        root = ["dn:"]
        for name, values in self.root_dse.items():
            for value in [values] if isinstance(values, str) else values:
                root.append(f"{name}: {value}")
        (self.directory / "rootdse.ldif").write_text("\n".join(root) + "\n")
        reader = ldif.Entry(self.bind_dn)
        reader.set("objectClass", "top", "user")
        reader.set("cn", "reader")
        reader.set("userPassword", self.password)
        ldif.write(self.directory / "content.ldif", self.entries + [reader])
        configuration = self.directory / "slapd.conf"
        configuration.write_text(self._configuration())
        subprocess.run(
            [find_slapd(), "-T", "add", "-q", "-f", configuration]
            + ["-l", self.directory / "content.ldif"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def start(self, port=None):
        """Start and wait until it listens; a port that was taken meanwhile is replaced.

        port: the one for ldap:// that a client knows already."""
        for _ in range(5):
            self.port, self.tls_port = port or free_port(), free_port()
            urls = [self.ldap + "/", self.ldapi + "/"] + ([self.ldaps + "/"] if self.tls else [])
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(
                    [find_slapd(), "-h", " ".join(urls), "-d", "0"]
                    + ["-f", self.directory / "slapd.conf"],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            if self._listens():
                return self
            self.stop()
        raise RuntimeError("slapd does not start: " + self.log.read_text())

    def _listens(self):
        ports = [self.port] + ([self.tls_port] if self.tls else [])
        for _ in range(200):
            if self.process.poll() is not None:
                return False
            try:
                for port in ports:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def modify(self, changes, *options):
        """LDIF change records, by the local user, who may do everything. options: of ldapmodify."""
        subprocess.run(
            ["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", self.ldapi, *options],
            input=changes,
            text=True,
            check="-c" not in options,
            capture_output=True,
        )

    def pause(self):
        """Stop it in its tracks: connections still open, nothing is answered."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Directory:
    """A slapd with all ways to it, in a short path that httpd's user may enter."""

    def __init__(self, options=(), text=SAMPLE):
        self.root = tempfile.mkdtemp(prefix="cep-")
        os.chmod(self.root, 0o755)
        self.tls = make_certificates(os.path.join(self.root, "tls"))
        self.slapd = Slapd(os.path.join(self.root, "slapd"), text, self.tls, options)
        os.chmod(os.path.join(self.root, "slapd"), 0o755)
        os.chmod(self.slapd.password_file, 0o644)

    def simple(self, *more):
        """Directives of a bind with a password."""
        return ("CEPBind simple", 'CEPBindDN "%s"' % self.slapd.bind_dn,
                'CEPBindPasswordFile "%s"' % self.slapd.password_file, "CEPTimeout 3s") + more

    def ca(self):
        return 'CEPCACertificateFile "%s"' % self.tls.ca

    def __enter__(self):
        self.slapd.start()
        return self

    def __exit__(self, *_):
        self.slapd.stop()
        shutil.rmtree(self.root)
