# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A real Active Directory domain controller for tests: Samba, with the content of an LDIF file.

    with SambaAD() as ad:
        ... ad.ldap, ad.ldaps, ad.ca_file, ad.bind_name, ad.password_file, ad.keytab ...
        environment = ad.kinit("alice")     # for curl --negotiate
        ad.modify("dn: ...")                # LDIF change records, as the administrator

The realm is CORP.EXAMPLE, the controller is DC1; both are made for conf.d/sample.ldif and keep its
SIDs and GUIDs. Everybody has the password ad.password. Beside what is in the file there are

    svc-cep   an ordinary user, for the module's bind; its keys are in ad.bind_keytab
    http-cep  the account of HTTP/localhost and HTTP/cep(-linux).corp.example, their keys in ad.keytab
    heidi     a user whose primary group is Developers
    ldap-cep  the account of ldap/127.0.0.1, for another LDAP server; its keys are in ad.ldap_keytab
    svc-two   another ordinary user, its keys in ad.second_keytab
    WS01$     with the service principals that a joined computer has

It is one process of ours on a loopback address of its own, on AD's ports; so it needs root. It ends
with the process that runs the tests, whatever becomes of that.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from cep_env import SAMPLE, ldif
from cep_env.certs import Certificates
import security_descriptor as sd

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that has Samba's modules
REALM, DOMAIN, BASE = "CORP.EXAMPLE", "CORP", "DC=corp,DC=example"
HOST = "dc1.corp.example"
PORTS = (389, 636, 88, 464)
# LDAP_SERVER_SD_FLAGS_OID with 7: owner, group and DACL. [MS-ADTS] 3.1.1.3.4.1.11
SD_FLAGS, SD_FLAGS_VALUE = "1.2.840.113556.1.4.801", "MAMCAQc="

SMB_CONF = """[global]
netbios name = DC1
realm = {realm}
workgroup = {domain}
server role = active directory domain controller
server services = ldap, kdc
interfaces = {address}/8
bind interfaces only = yes
disable netbios = yes
load printers = no
log level = 1
tls enabled = yes
# As Windows: SASL over TLS has no layer of its own. Samba's default refuses both forms there.
ldap server require strong auth = allow_sasl_over_tls
tls keyfile = {tls.server_key_file}
tls certfile = {tls.server_file}
tls cafile = {tls.ca_file}
lock directory = {root}/dc
state directory = {root}/dc/state
cache directory = {root}/dc/cache
private dir = {root}/dc/private
binddns dir = {root}/dc/bind-dns
pid directory = {root}/dc/run
ncalrpc dir = {root}/dc/ncalrpc
winbindd socket directory = {root}/dc/winbindd
ntp signd socket directory = {root}/dc/ntp
[sysvol]
path = {root}/dc/state/sysvol
"""

KRB5_CONF = """[libdefaults]
default_realm = {realm}
dns_lookup_realm = false
dns_lookup_kdc = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
default_keytab_name = FILE:{root}/none.keytab
[realms]
{realm} = {{
    kdc = {address}
}}
[domain_realm]
localhost = {realm}
.corp.example = {realm}
corp.example = {realm}
"""


def why_not():
    """Why no domain controller can run here; None when it can."""
    for program in ("samba", "samba-tool", "kinit", "ldapmodify"):
        if not find(program):
            return "%s is not installed" % program
    if os.geteuid() != 0:
        return "a domain controller needs root, for its ports"
    done = subprocess.run([PYTHON, "-c", "import samba.samdb"], capture_output=True)
    return "python3-samba is not installed" if done.returncode else None


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def free_address():
    """A loopback address on which nobody uses our ports."""
    for _ in range(200):
        address = "127.%d.%d.%d" % tuple(random.randrange(2, 250) for _ in range(3))
        try:
            for port in PORTS:
                with socket.socket() as probe:
                    probe.bind((address, port))
            return address
        except OSError:
            continue
    raise RuntimeError("some server listens on all addresses on one of the ports %s" % (PORTS,))


def domain_sid(entries):
    domain = next(entry for entry in entries if entry.is_a("domainDNS"))
    return sd.sid_from_bytes(domain.value("objectSid"))


def account(name, rid, domain, **attributes):
    entry = ldif.Entry("CN=%s,CN=Users,%s" % (name, BASE))
    entry.set("objectClass", "top", "person", "organizationalPerson", "user")
    entry.set("cn", name)
    entry.set("sAMAccountName", name)
    entry.set("objectSid", sd.sid_to_bytes("%s-%d" % (domain, rid)))
    entry.set("userPrincipalName", "%s@corp.example" % name)
    entry.set("userAccountControl", 512)
    entry.set("primaryGroupID", 513)
    for attribute, values in attributes.items():
        entry.set(attribute, *(values if isinstance(values, (list, tuple)) else [values]))
    return entry


class SambaAD:
    password = "Test.Passw0rd"
    bind_name = "svc-cep@corp.example"

    def __init__(self, path=SAMPLE):
        self.entries = ldif.read(path)
        self.address = free_address()
        self.root = tempfile.mkdtemp(prefix="cep-ad-")
        os.chmod(self.root, 0o755)  # httpd's user reads the CA, the password and the keytab
        self.process = None
        self.caches = 0
        self.ca_file = self.path("tls/ca.pem")
        self.password_file = self.path("password")
        self.keytab = self.path("http.keytab")
        self.bind_keytab = self.path("bind.keytab")
        self.ldap_keytab = self.path("ldap.keytab")
        self.second_keytab = self.path("second.keytab")
        self.configuration = self.path("smb.conf")
        self.krb5_conf = self.path("krb5.conf")
        try:
            self._provision()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.root, name)

    @property
    def ldap(self):
        return "ldap://" + self.address

    @property
    def ldaps(self):
        return "ldaps://" + self.address

    # Making it.

    def _provision(self):
        self._write("empty.conf", "[global]\n")  # or the system's smb.conf would be taken
        self._run("samba-tool", "domain", "provision", "--configfile=" + self.path("empty.conf"),
                  "--targetdir=" + self.path("dc"), "--realm=" + REALM, "--domain=" + DOMAIN,
                  "--server-role=dc", "--dns-backend=NONE", "--host-name=DC1",
                  "--host-ip=" + self.address, "--adminpass=" + self.password,
                  "--machinepass=" + self.password,  # DC1$ can log on, too
                  "--domain-sid=" + domain_sid(self.entries), "--next-rid=1001", "--quiet")
        for name in ("run", "ncalrpc", "winbindd", "ntp"):
            os.mkdir(self.path("dc/" + name), 0o755)
        os.mkdir(self.path("tls"), 0o755)
        facts = {"realm": REALM, "domain": DOMAIN, "address": self.address, "root": self.root,
                 "tls": Certificates(self.path("tls"), (HOST, self.address))}
        self._write("smb.conf", SMB_CONF.format(**facts))
        self._write("krb5.conf", KRB5_CONF.format(**facts))
        self._write("password", self.password + "\n")
        self.entries += self._more_accounts()
        ldif.write(self.path("content.ldif"), self.entries + self._service_principals())
        self._run(PYTHON, os.path.join(HERE, "samba_fill.py"), self.configuration, self.password,
                  self.path("content.ldif"))
        for path in (self.keytab, self.bind_keytab, self.ldap_keytab, self.second_keytab):
            os.chmod(path, 0o644)

    def _more_accounts(self):
        domain = domain_sid(self.entries)
        # AES with 128 and 256 bits. Without it an exported keytab has RC4 for a service principal.
        aes = {"msDS-SupportedEncryptionTypes": 24}
        return [
            account("svc-cep", 1401, domain, keytab=self.bind_keytab, **aes),
            account("http-cep", 1402, domain, keytab=self.keytab, **aes,
                    servicePrincipalName=["HTTP/localhost", "HTTP/cep.corp.example",
                                          "HTTP/cep-linux.corp.example"]),
            account("ldap-cep", 1404, domain, keytab=self.ldap_keytab, **aes,
                    servicePrincipalName=["ldap/127.0.0.1"]),
            account("svc-two", 1405, domain, keytab=self.second_keytab, **aes),
            account("heidi", 1403, domain, primaryGroupID=1116)]

    def _service_principals(self):
        """What a controller registers itself, by a service that does not run here, and a computer
        when it joins. The address: for clients that have no name for the controller."""
        controller = ldif.Entry("CN=DC1,OU=Domain Controllers," + BASE)
        controller.set("servicePrincipalName", *[
            "ldap/" + name for name in (HOST, "DC1", self.address, "127.0.0.2",
                                        HOST + "/corp.example")])
        computer = ldif.Entry("CN=WS01,CN=Computers," + BASE)
        computer.set("servicePrincipalName", *[
            kind + name for kind in ("HOST/", "RestrictedKrbHost/")
            for name in ("WS01", "ws01.corp.example")])
        return [controller, computer]

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def _run(self, *command, data=None, environment=None):
        program = find(command[0]) or command[0]
        done = subprocess.run([program, *command[1:]], input=data, capture_output=True, text=True,
                              env={**os.environ, **(environment or {})})
        if done.returncode:
            raise RuntimeError("%s: status %d\n%s%s" % (" ".join(command[:3]), done.returncode,
                                                        done.stdout, done.stderr))
        return done.stdout

    # Its life.

    def start(self, timeout=20):
        with open(self.path("samba.log"), "ab") as log:
            # With a pipe as standard input it ends when the other side does.
            self.process = subprocess.Popen(
                [find("samba"), "--interactive", "--model=single", "-s", self.configuration],
                stdin=subprocess.PIPE, stdout=log, stderr=log, cwd="/",
                env={**os.environ, "KRB5_CONFIG": self.krb5_conf})
        deadline = time.monotonic() + timeout
        for port in PORTS:
            while not self._listens(port):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    with open(self.path("samba.log"), encoding="utf-8", errors="replace") as log:
                        raise RuntimeError("samba does not start:\n" + log.read()[-4000:])
                time.sleep(0.02)
        return self

    def _listens(self, port):
        try:
            socket.create_connection((self.address, port), timeout=1).close()
            return True
        except OSError:
            return False

    def pause(self):
        """Stop it in its tracks: connections stay, nothing is answered."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def kill(self):
        self.stop(signal.SIGKILL)

    def stop(self, number=signal.SIGTERM):
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdin.close()

    def close(self):
        self.stop()
        if "CEP_KEEP" not in os.environ:
            shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # Using it.

    def _login(self, user="administrator@corp.example"):
        return ("-x", "-H", self.ldaps, "-D", user, "-w", self.password)

    def modify(self, changes):
        """LDIF change records, as the administrator."""
        self._run("ldapmodify", *self._login(), data=changes,
                  environment={"LDAPTLS_CACERT": self.ca_file})

    def replace(self, dn, name, *values):
        """Set an attribute; without a value remove it. Of a descriptor all but the SACL."""
        lines = ["dn: " + dn, "control: %s true:: %s" % (SD_FLAGS, SD_FLAGS_VALUE),
                 "changetype: modify", "replace: " + name]
        self.modify("\n".join(lines + [ldif.line(name, value if isinstance(value, bytes) else
                                                 str(value).encode()) for value in values]) + "\n")

    def member(self, group, user, operation):
        """operation: add or delete. Names are those of entries in CN=Users."""
        self.modify("dn: CN=%s,CN=Users,%s\nchangetype: modify\n%s: member\n"
                    "member: CN=%s,CN=Users,%s\n" % (group, BASE, operation, user, BASE))

    def search(self, *arguments, user="administrator@corp.example", sd_flags=True):
        """Entries, by ldapsearch."""
        text = self._run("ldapsearch", *self._login(user), "-LLL", "-o", "ldif_wrap=no",
                         *(("-E", "!%s=::%s" % (SD_FLAGS, SD_FLAGS_VALUE)) if sd_flags else ()),
                         *arguments,
                         environment={"LDAPTLS_CACERT": self.ca_file})
        return ldif.parse(text)

    def wrong_passwords(self, user):
        """How many AD has counted for an account in CN=Users since it last logged on."""
        return self.search("-b", "CN=%s,CN=Users,%s" % (user, BASE), "badPwdCount",
                           sd_flags=False)[0].integer("badPwdCount")

    def kinit(self, user, password=None):
        """Log on. What a program's environment has to hold to use the tickets."""
        self.caches += 1
        environment = {"KRB5_CONFIG": self.krb5_conf,
                       "KRB5CCNAME": "FILE:" + self.path("ccache-%d" % self.caches)}
        self._run("kinit", user, data=(password or self.password) + "\n", environment=environment)
        return environment
