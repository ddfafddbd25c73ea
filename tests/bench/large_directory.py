# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""How a refresh grows with the directory: time and peak memory of one run, beside a tenth of it.

    make -C build bench            (or: python3 tests/bench/large_directory.py --build build)

The directories are made of the sample's templates, CAs and OID objects, multiplied; each CA
publishes an equal share of the templates, and each template has 20 ACEs. Each directory is read
from an LDIF file and, where slapd is installed, from slapd; a second run finds nothing changed.
Numbers are of one run on an otherwise idle machine; the ratio in the last column is what counts.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "integration"))

from cep_env import SAMPLE, ldif  # noqa: E402
import security_descriptor as sd  # noqa: E402
import slapd  # noqa: E402

OID = "1.3.6.1.4.1.311.21.8.1.2.3.4.5.%d.1"
SIZES = ((1000, 10, 500), (10000, 100, 5000))
ACES = 20


def clone(entry, cn, **values):
    """A copy under another name and with some other values ('_' stands for '-')."""
    other = entry.copy()
    other.dn = re.sub("^CN=[^,]*", "CN=" + cn, entry.dn)
    other.set("cn", cn)
    for name, value in values.items():
        other.set(name.replace("_", "-"), *value)
    return other


def descriptor(octets, number):
    """The descriptor with ACES ACEs: more groups that may enroll, others for each template."""
    result = sd.parse(octets)
    while len(result.dacl) < ACES:
        result.dacl.append(sd.Ace(
            sd.ALLOWED_OBJECT, 0, sd.CONTROL_ACCESS,
            "S-1-5-21-1-2-3-%d" % (1000 + (number * 7 + len(result.dacl)) % 2000),
            sd.ENROLL if len(result.dacl) % 2 else uuid.UUID(int=len(result.dacl)), None, b""))
    return result.to_bytes()


def make(path, templates, cas, oids):
    source = ldif.read(SAMPLE)
    samples, issuers, names = [[entry for entry in source if entry.is_a(name)] for name in
                               ("pKICertificateTemplate", "pKIEnrollmentService",
                                "msPKI-Enterprise-Oid")]
    entries = [entry for entry in source if entry not in samples + issuers + names]
    for i in range(templates):
        cn = "Template%05d" % i
        model = samples[i % len(samples)]
        entries.append(clone(
            model, cn, displayName=["Display " + cn], msPKI_Cert_Template_OID=[OID % i],
            nTSecurityDescriptor=[descriptor(model.value("nTSecurityDescriptor"), i)]))
    for i in range(cas):
        entries.append(clone(issuers[i % len(issuers)], "CA%03d" % i, certificateTemplates=[
            "Template%05d" % n for n in range(i, templates, cas)]))
    for i in range(oids):
        entries.append(clone(names[i % len(names)], "OID%05d" % i,
                             msPKI_Cert_Template_OID=[OID % i]))
    ldif.write(path, entries)


def run(program, url, folder):
    done = subprocess.run([program, url, folder], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return {key: float(value) for key, value in (pair.split("=") for pair in done.stdout.split())}


def measure(program, url, folder, templates, cas):
    """One full read, then a look that finds nothing new."""
    cache = tempfile.mkdtemp(dir=folder)
    time.sleep(2.1)  # a file that was written just now is read again
    numbers = run(program, url, cache)
    assert (numbers["templates"], numbers["cas"]) == (templates, cas), numbers
    again = run(program, url, cache)
    assert not again["full"], again
    numbers.update(check=again["seconds"], above=numbers["peak"] - numbers["image"])
    return numbers


def measure_all(program, templates, cas, oids):
    with tempfile.TemporaryDirectory(prefix="cep-bench-") as folder:
        path = os.path.join(folder, "large.ldif")
        make(path, templates, cas, oids)
        result = {"LDIF": measure(program, "file:" + path, folder, templates, cas)}
        if slapd.find_slapd():
            with slapd.Slapd(os.path.join(folder, "s"), path,
                             options=["sizelimit unlimited"]) as server:
                result["slapd"] = measure(program, server.ldap, folder, templates, cas)
        return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    program = os.path.join(parser.parse_args().build, "tests", "bench", "refresh")
    small, large = [measure_all(program, *size) for size in SIZES]
    for source in small:
        print("%-27s %10s %10s %8s" % ("one refresh from " + source, "1,000", "10,000", "ratio"))
        for key, name, scale in (
                ("seconds", "seconds", 1), ("cpu", "processor seconds", 1),
                ("check", "seconds, nothing changed", 1), ("image", "snapshot, MiB", 2 ** 20),
                ("peak", "peak memory, MiB", 2 ** 20), ("above", "above the snapshot", 2 ** 20)):
            one, ten = small[source][key], large[source][key]
            print("%-27s %10.2f %10.2f %8.1f" % (name, one / scale, ten / scale, ten / one))


if __name__ == "__main__":
    main()
