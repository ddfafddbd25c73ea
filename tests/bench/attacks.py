#!/usr/bin/python3
# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What each of the attacks of tests/integration/attacks.py costs: attacks.py --build BUILD.

Processor time and memory of reading the message and making the fault, beside those of an ordinary
request. Figures of this machine at this moment, never a verdict.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import attacks  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--runs", type=int, default=51)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        attacks.main(folder)
        with open(os.path.join(folder, "00 an ordinary request"), "wb") as file:
            file.write(attacks.GOOD.encode())
        done = subprocess.run(
            [os.path.join(arguments.build, "tests/bench/attacks"), str(arguments.runs),
             *sorted(glob.glob(os.path.join(folder, "*")))],
            capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    ordinary = float(rows[0][0])
    print("%-38s %7s %9s %9s %8s %7s  %s" % ("attack", "octets", "median us", "worst us",
                                             "KiB", "times", "answer"))
    for median, worst, memory, octets, answer, name in rows:
        print("%-38s %7s %9s %9s %8s %7.1f  %s" % (name, octets, median, worst, memory,
                                                   float(median) / max(ordinary, 1), answer))
    for title, column, unit in (("processor time, median", 0, "us"),
                                ("processor time, worst run", 1, "us"), ("memory", 2, "KiB")):
        row = max(rows[1:], key=lambda row: float(row[column]))
        print("most %s: %s %s, by: %s" % (title, row[column], unit, row[5]))
    print("%d attacks, %d runs of each" % (len(rows) - 1, arguments.runs))


if __name__ == "__main__":
    main()
