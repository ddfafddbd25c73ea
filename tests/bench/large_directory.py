# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""How a refresh grows with the directory: time and peak memory of one run, beside a tenth of it.

    make -C build bench            (or: python3 tests/bench/large_directory.py --build build)

The directories are made of the sample's templates, CAs and OID objects, multiplied; each CA
publishes an equal share of the templates. Numbers are of one run on an otherwise idle machine;
the ratio in the last column is what counts.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TESTS, "integration"))

from cep_env import SAMPLE, ldif  # noqa: E402

OID = "1.3.6.1.4.1.311.21.8.1.2.3.4.5.%d.1"
SIZES = ((1000, 10, 500), (10000, 100, 5000))


def clone(entry, cn, **values):
    """A copy under another name and with some other values ('_' stands for '-')."""
    other = entry.copy()
    other.dn = re.sub("^CN=[^,]*", "CN=" + cn, entry.dn)
    other.set("cn", cn)
    for name, value in values.items():
        other.set(name.replace("_", "-"), *value)
    return other


def make(path, templates, cas, oids):
    source = ldif.read(SAMPLE)
    samples, issuers, names = [[entry for entry in source if entry.is_a(name)] for name in
                               ("pKICertificateTemplate", "pKIEnrollmentService",
                                "msPKI-Enterprise-Oid")]
    entries = [entry for entry in source if entry not in samples + issuers + names]
    for i in range(templates):
        cn = "Template%05d" % i
        entries.append(clone(samples[i % len(samples)], cn, displayName=["Display " + cn],
                             msPKI_Cert_Template_OID=[OID % i]))
    for i in range(cas):
        entries.append(clone(issuers[i % len(issuers)], "CA%03d" % i, certificateTemplates=[
            "Template%05d" % n for n in range(i, templates, cas)]))
    for i in range(oids):
        entries.append(clone(names[i % len(names)], "OID%05d" % i,
                             msPKI_Cert_Template_OID=[OID % i]))
    ldif.write(path, entries)


def measure(program, templates, cas, oids):
    with tempfile.TemporaryDirectory(prefix="cep-bench-") as folder:
        path = os.path.join(folder, "large.ldif")
        make(path, templates, cas, oids)
        done = subprocess.run([program, path, folder], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        numbers = {key: float(value) for key, value in
                   (pair.split("=") for pair in done.stdout.split())}
        assert (numbers["templates"], numbers["cas"]) == (templates, cas), numbers
        numbers["ldif"] = os.path.getsize(path)
        return numbers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    program = os.path.join(parser.parse_args().build, "tests", "bench", "refresh")
    small, large = [measure(program, *size) for size in SIZES]
    print("one refresh               %10s %10s %8s" % ("1,000", "10,000", "ratio"))
    for key, name, scale in (("ldif", "LDIF, MiB", 2 ** 20), ("seconds", "seconds", 1),
                             ("cpu", "processor seconds", 1), ("image", "snapshot, MiB", 2 ** 20),
                             ("peak", "peak memory, MiB", 2 ** 20)):
        print("%-25s %10.2f %10.2f %8.1f" % (name, small[key] / scale, large[key] / scale,
                                             large[key] / small[key]))


if __name__ == "__main__":
    main()
