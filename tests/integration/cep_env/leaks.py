# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""No byte of policy: what a refusal must not hold.

    leaks = Leaks(ldif.read(SAMPLE), "Corp policy", policy_id)    # or leaks_of(server)
    leaks.check(response)      # fails with the words that were found

A byte of policy is any name, OID, URI or certificate of a template, a CA or an OID object of the
directory, in the body or in a header, and any element that only an answer has.
"""

import base64
import re

from . import SAMPLE, ldif, soap

CLASSES = {
    "pKICertificateTemplate": ("cn", "displayName", "msPKI-Cert-Template-OID"),
    "pKIEnrollmentService": ("cn", "displayName", "dNSHostName"),
    "msPKI-Enterprise-Oid": ("cn", "displayName", "msPKI-Cert-Template-OID"),
}
ELEMENTS = re.compile(
    rb"<(?:\w+:)?(?:policies|policy|policyID|policyFriendlyName|nextUpdateHours|commonName|cAs?|"
    rb"cAURI|uris|oIDs?|oIDReferenceID|attributes|certificate|GetPoliciesResponse)[ />]")
OID = re.compile(rb"\b[012](?:\.\d+){5,}\b")
CERTIFICATE = re.compile(rb"\bMII[A-Za-z0-9+/]{40}")


def leaks_of(server):
    """For a server on the sample directory that answers alice."""
    model = soap.check_answer(soap.send(server))
    return Leaks(ldif.read(SAMPLE), model["policy_id"], model["friendly_name"])


class Leaks:
    """entries: of the directory. more: other words, such as the policyID."""

    def __init__(self, entries, *more):
        words = set(more)
        for entry in entries:
            for name, attributes in CLASSES.items():
                if entry.is_a(name):
                    words.update(text for attribute in attributes
                                 for text in entry.texts(attribute))
            if entry.is_a("pKIEnrollmentService"):
                words.update(part.strip() for text in entry.texts("msPKI-Enrollment-Servers")
                             for part in text.split("\n") if part.strip().startswith("https:"))
                words.update(base64.b64encode(value).decode()[:60]
                             for value in entry.values("cACertificate"))
        self.words = sorted(word for word in words if word)
        assert len(self.words) > 20, "the directory has no policy that could leak"
        # Whole words, or a template called User would be found in UsernameToken.
        self.pattern = re.compile(rb"(?<![\w.])(?:" + b"|".join(
            re.escape(word.encode()) for word in self.words) + rb")(?![\w])")

    def find(self, data):
        found = set()
        for pattern in (self.pattern, ELEMENTS, OID, CERTIFICATE):
            found.update(match.group(0) for match in pattern.finditer(data))
        return found

    def check(self, response):
        """response: soap.Response."""
        fields = "\n".join("%s: %s" % field for field in response.headers.items()).encode()
        assert not self.find(response.body), (response.status, response.body)
        # Headers may name the server; its certificate's OIDs and elements are no matter of theirs.
        assert not self.pattern.search(fields), fields

    def check_refused(self, response, status, code=None, subcode=None):
        """A refusal of just that kind. code None: no fault, but a document of the administrator."""
        assert response.status == status, (response.status, response.body[:500])
        self.check(response)
        if code is None:
            return None
        assert response.headers["Content-Type"] == soap.CONTENT_TYPE
        assert response.headers["Cache-Control"] == "no-store"
        assert soap.validate(response.body) == []
        fault = soap.parse(response.body)["fault"]
        assert fault and (fault["code"], fault["subcode"]) == (code, subcode), fault
        assert fault["reason"]
        return fault
