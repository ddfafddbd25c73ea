# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Read and write LDIF content records (RFC 2849), independently of the C code."""

import base64
import re


class Entry:
    """One entry: dn and attributes with values as bytes, names without regard to case."""

    def __init__(self, dn):
        self.dn = dn
        self.attributes = {}  # lower-case name -> (name, [bytes])

    def add(self, name, value):
        name = name.split(";")[0]
        data = value if isinstance(value, bytes) else str(value).encode()
        self.attributes.setdefault(name.lower(), (name, []))[1].append(data)

    def set(self, name, *values):
        self.attributes.pop(name.lower(), None)
        for value in values:
            self.add(name, value)

    def remove(self, name):
        self.attributes.pop(name.lower(), None)

    def values(self, name):
        return self.attributes.get(name.lower(), (name, []))[1]

    def value(self, name):
        values = self.values(name)
        return values[0] if values else None

    def texts(self, name):
        """The values that are text; what is not UTF-8 is left out."""
        result = []
        for value in self.values(name):
            try:
                result.append(value.decode())
            except UnicodeDecodeError:
                pass
        return result

    def text(self, name):
        texts = self.texts(name)
        return texts[0] if texts and texts[0] else None

    def integer(self, name, default=None):
        """A signed number as AD writes it, or default."""
        text = self.text(name)
        return int(text) if text and re.fullmatch(r"-?\d+", text) else default

    def is_a(self, name):
        return name.lower() in (text.lower() for text in self.texts("objectClass"))

    def copy(self):
        other = Entry(self.dn)
        other.attributes = {key: (name, list(values))
                            for key, (name, values) in self.attributes.items()}
        return other


def parse(text):
    """A list of Entry. Raises ValueError with a line number for what is no content record."""
    entries, entry = [], None
    for number, line in unfold(text):
        if not line:
            entry = None
            continue
        match = re.match(r"([^:]+)(::?<?)[ ]*(.*)", line)
        if not match or match.group(2).endswith("<"):
            raise ValueError("line %d: %r" % (number, line[:60]))
        name, colons, value = match.groups()
        data = base64.b64decode(value, validate=True) if colons == "::" else value.encode()
        if name.lower() == "dn":
            entry = Entry(data.decode())
            entries.append(entry)
        elif entry is not None:
            entry.add(name, data)
        elif name.lower() != "version":
            raise ValueError("line %d: no entry" % number)
    return entries


def unfold(text):
    """Logical lines with the number of their first line; comments (folded ones too) are gone."""
    lines, number = [], 0
    for number, line in enumerate(text.split("\n"), 1):
        line = line.rstrip("\r")
        if line.startswith(" ") and lines:
            lines[-1][1] += line[1:]
        else:
            lines.append([number, line])
    return [(number, line) for number, line in lines if not line.startswith("#")]


def read(*paths):
    """The entries of several files, in order."""
    entries = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            entries += parse(file.read())
    return entries


def dump(entries):
    """LDIF text of the entries; everything that is not plain text goes out as base64. Without a
    version, which slapadd does not take."""
    lines = []
    for entry in entries:
        lines += ["", line("dn", entry.dn.encode())]
        for name, values in entry.attributes.values():
            lines += [line(name, value) for value in values]
    return "\n".join(lines) + "\n"


def line(name, value):
    if re.fullmatch(rb"([!-9;=-~][ -~]*)?", value) and not value.endswith(b" "):
        return "%s: %s" % (name, value.decode())
    return "%s:: %s" % (name, base64.b64encode(value).decode())


def write(path, entries):
    with open(path, "w", encoding="utf-8") as file:
        file.write(dump(entries))


def find(entries, cn, object_class=None):
    """The one entry of that cn (and class)."""
    found = [entry for entry in entries if entry.text("cn") == cn
             and (object_class is None or entry.is_a(object_class))]
    assert len(found) == 1, "%d entries with cn %s" % (len(found), cn)
    return found[0]


def rdns(dn):
    """The RDNs of dn, as they are spelled; an escaped comma separates nothing."""
    return [part.strip() for part in re.findall(r"(?:\\.|[^\\,])+", dn)]


def split_dn(dn):
    """The DN's parts in a comparable form. No multi-valued parts here."""
    return tuple(part.lower() for part in rdns(dn))


def is_within(dn, base):
    parts, base_parts = split_dn(dn), split_dn(base)
    return parts[len(parts) - len(base_parts):] == base_parts
