# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A private OpenLDAP slapd with the project's copy of the AD CS schema, for tests.

    server = Slapd(scratch_directory, ldif=path, tls=make_certificates(other_directory))
    server.start()
    ... server.ldap, server.ldaps, server.ldapi, server.bind_dn, server.password_file ...
    server.stop()

It is a process of its own on loopback ports that were free, works as root and as an ordinary user,
and has nothing to do with a slapd that the system may run.
"""

import base64
import datetime
import ipaddress
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = HERE / "adcs.schema"
MODULE_PATHS = ("/usr/lib/ldap", "/usr/lib64/openldap", "/usr/libexec/openldap")


def find_slapd():
    """Path of slapd, or None when it is not installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec"
    return shutil.which("slapd", path=path)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- LDIF ---------------------------------------------------------------------------------------


def read_ldif(text):
    """LDIF content records as [(dn, [(name, value in octets)])], in the file's order."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith(" ") and lines and lines[-1]:
            lines[-1] += line[1:]
        else:
            lines.append(line)
    records, record = [], None
    for line in lines:
        if not line.strip():
            record = None
        elif not line.startswith(("#", "version:")):
            name, value = line.split(":", 1)
            if value.startswith(":"):
                value = base64.b64decode(value[1:])
            else:
                value = value.strip().encode()
            if record is None:
                record = (value.decode(), [])
                records.append(record)
            else:
                record[1].append((name, value))
    return records


def write_ldif(records):
    out = []
    for dn, attributes in records:
        out.append("dn:: " + base64.b64encode(dn.encode()).decode())
        for name, value in attributes:
            out.append(f"{name}:: " + base64.b64encode(value).decode())
        out.append("")
    return "\n".join(out) + "\n"


def split_dn(dn):
    """The RDNs of dn, as they are spelled; an escaped comma separates nothing."""
    parts, start, i = [], 0, 0
    while i < len(dn):
        if dn[i] == "\\":
            i += 1
        elif dn[i] == ",":
            parts.append(dn[start:i].strip())
            start = i + 1
        i += 1
    return parts + [dn[start:].strip()] if dn.strip() else []


def _container(dn):
    kind, value = split_dn(dn)[0].split("=", 1)
    classes = {"dc": "domainDNS", "ou": "organizationalUnit"}
    return (
        dn,
        [
            ("objectClass", b"top"),
            ("objectClass", classes.get(kind.lower(), "container").encode()),
            (kind, value.replace("\\", "").encode()),
        ],
    )


def complete_tree(records):
    """records without root DSE, parents first, with containers that an export left out."""
    known = {",".join(split_dn(dn)).lower(): (dn, attrs) for dn, attrs in records if split_dn(dn)}
    suffix = min((split_dn(dn) for dn, _ in known.values()), key=len)
    while not all(
        [part.lower() for part in split_dn(dn)][-len(suffix) :] == [p.lower() for p in suffix]
        for dn in known
    ):
        suffix = suffix[1:]
    for key in list(known):
        parts = split_dn(known[key][0])
        for i in range(1, len(parts) - len(suffix) + 1):
            above = ",".join(parts[i:])
            known.setdefault(above.lower(), _container(above))
    ordered = sorted(known.values(), key=lambda record: len(split_dn(record[0])))
    return ",".join(suffix), ordered


# --- certificates -------------------------------------------------------------------------------


class Certificates:
    """Paths of PEM files: ca, and certificate with key that it issued; other_ca issued nothing."""

    def __init__(self, directory):
        self.ca = str(directory / "ca.pem")
        self.certificate = str(directory / "server.pem")
        self.key = str(directory / "server.key")
        self.other_ca = str(directory / "other-ca.pem")


def _name(common_name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _issue(name, key, issuer, issuer_key, extensions):
    now = datetime.datetime.utcnow()
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _write(path, content):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def make_certificates(directory, names=("127.0.0.1", "ldap.example.test")):
    """A CA and a server certificate for names, made anew; returns Certificates."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(directory)
    is_ca = [(x509.BasicConstraints(ca=True, path_length=None), True)]
    pem = serialization.Encoding.PEM
    keys = {}
    for common_name, path in (("Test CA", files.ca), ("Other CA", files.other_ca)):
        keys[path] = ec.generate_private_key(ec.SECP256R1())
        issued = _issue(common_name, keys[path], common_name, keys[path], is_ca)
        _write(path, issued.public_bytes(pem))
    alternatives = []
    for name in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alternatives.append(x509.DNSName(name))
    key = ec.generate_private_key(ec.SECP256R1())
    issued = _issue(
        "directory server",
        key,
        "Test CA",
        keys[files.ca],
        [(x509.SubjectAlternativeName(alternatives), False)],
    )
    _write(files.certificate, issued.public_bytes(pem))
    plain = serialization.NoEncryption()
    _write(files.key, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


# --- the server ---------------------------------------------------------------------------------


class Slapd:
    """directory: scratch, made when absent; its path has to be short, for the UNIX socket.

    ldif: path of a file, or LDIF text. tls: Certificates, or None for a server without TLS.
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
        ldif,
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
        text = str(ldif)
        if "\n" not in text:
            text = pathlib.Path(text).read_text(encoding="utf-8-sig")
        self.suffix, self.records = complete_tree(read_ldif(text))
        self.root_dse = self._partitions() if root_dse is None else root_dse
        self.bind_dn = "cn=reader," + self.suffix
        self.password_file = str(self.directory / "password")
        self.log = self.directory / "slapd.log"
        self.process = None
        self.port = self.tls_port = None
        self._prepare()

    def _partitions(self):
        for dn, _ in self.records:
            if split_dn(dn)[0].lower() == "cn=configuration":
                return {
                    "configurationNamingContext": dn,
                    "defaultNamingContext": ",".join(split_dn(dn)[1:]),
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
        _write(self.password_file, self.password.encode() + b"\n")
        root = ["dn:"]
        for name, values in self.root_dse.items():
            for value in [values] if isinstance(values, str) else values:
                root.append(f"{name}: {value}")
        (self.directory / "rootdse.ldif").write_text("\n".join(root) + "\n")
        reader = [
            ("objectClass", b"top"),
            ("objectClass", b"user"),
            ("cn", b"reader"),
            ("userPassword", self.password.encode()),
        ]
        content = write_ldif(self.records + [(self.bind_dn, reader)])
        (self.directory / "content.ldif").write_text(content)
        configuration = self.directory / "slapd.conf"
        configuration.write_text(self._configuration())
        subprocess.run(
            [find_slapd(), "-T", "add", "-q", "-f", configuration]
            + ["-l", self.directory / "content.ldif"],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def start(self):
        """Start and wait until it listens; a port that was taken meanwhile is replaced."""
        for _ in range(5):
            self.port, self.tls_port = free_port(), free_port()
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
