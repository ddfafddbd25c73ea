# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Several instances of one directory: what each shows and what each says of itself.

These mistakes were made, one at a time, and each was caught: exclusions lost to inclusions; the
view's names kept under one key for all lists; the lists of two sections added up; autoenroll shown
without Enroll; the rights left out of the policyID, key-based renewal put into it; an inner section
that lost the outer CEPTemplateRights; a name in a language taken for the default.
"""

import hashlib
import re

import pytest
import security_descriptor as sd

from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import View, compare
from cep_env.httpd import location_section
from cep_env.waiting import wait_until
from conftest import start_sample

CALLERS = ("alice", "bob", "dave", "WS01$", "DC1$")

# path: directives, and the evaluator's words for them
INSTANCES = {
    "/all": ((), {}),
    "/star": (("CEPTemplates *",), {}),
    "/names": (("CEPTemplates user CORPUSER", "CEPTemplates WebServer"),
               {"names": ("User", "CorpUser", "WebServer")}),
    "/pattern": (("CEPTemplates Corp*",), {"names": ("Corp*",)}),
    "/marks": (("CEPTemplates corp[D-L]* ?ser",), {"names": ("corp[d-l]*", "?ser")}),
    "/but": (("CEPTemplates !Corp* !machine",), {"names": ("!Corp*", "!Machine")}),
    "/both": (("CEPTemplates !CorpUser Corp* !*device*",),
              {"names": ("Corp*", "!CorpUser", "!*Device*")}),
    "/none": (("CEPTemplates NoSuchTemplate",), {"names": ("NoSuchTemplate",)}),
    "/auto": (("CEPTemplateRights AutoEnroll",), {"rights": "autoenroll"}),
    "/auto-names": (("CEPTemplateRights autoenroll", "CEPTemplates !CorpUser"),
                    {"names": ("!CorpUser",), "rights": "autoenroll"}),
    "/rights": (("CEPTemplateRights enroll",), {}),
}


def view_of(path):
    words = dict(INSTANCES[path][1])
    return View(*words.pop("names", ()), **words)


def ask(server, path, user="bob", **options):
    return soap.check_answer(soap.send(server, soap.build(**options), user=user, path=path))


@pytest.fixture(scope="module")
def views(make_module_httpd):
    return start_sample(make_module_httpd(), *[
        location_section(path, extra=directives) for path, (directives, _) in INSTANCES.items()])


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("path", INSTANCES)
def test_what_is_shown(views, sample_directory, path, caller):
    expected = sample_directory.answer(caller, view=view_of(path))
    for _ in range(2):  # the second time from what the first one kept
        assert compare(ask(views, path, caller), expected) == []


def test_these_views_differ(sample_directory):
    """Or the tests above prove nothing."""
    def shown(path):
        return set(sample_directory.answer("bob", view=view_of(path))["policies"] or ())

    assert shown("/all") == shown("/star") == shown("/rights")
    paths = [path for path in INSTANCES if path not in ("/star", "/rights")]
    assert len({frozenset(shown(path)) for path in paths}) == len(paths)
    assert shown("/none") == set()
    assert "CorpUser" not in shown("/both") | shown("/auto-names")
    assert all(policy["autoEnroll"] for policy in sample_directory.answer(
        "WS01$", view=view_of("/auto"))["policies"].values())


@pytest.mark.parametrize("rights", [("Enroll",), ("AutoEnroll",), ("Enroll", "AutoEnroll")],
                         ids="+".join)
def test_autoenroll_is_both_rights(make_httpd, rights):
    entries = ldif.read(SAMPLE)
    dacl = "".join("(OA;;CR;%s;;AU)" % right for right in rights)
    ldif.find(entries, "CorpUser", "pKICertificateTemplate").set(
        "nTSecurityDescriptor", sd.from_sddl("O:SYG:SYD:" + dacl).to_bytes())
    server = start_sample(make_httpd(), location_section("/all"), location_section(
        "/auto", extra=INSTANCES["/auto"][0]), entries=entries)
    for path, needed in (("/all", {"Enroll"}), ("/auto", {"Enroll", "AutoEnroll"})):
        shown = ask(server, path, "dave")["policies"]
        assert set(shown or ()) == ({"CorpUser"} if needed <= set(rights) else set())


def test_nothing_shown_is_an_answer(views):
    model = ask(views, "/none")
    assert (model["policies"], model["cas"], model["oids"]) == (None, None, None)


def test_views_and_filters(views, sample_directory):
    """What an instance does not show cannot be asked for."""
    oids = [template.oid for template in sample_directory.templates
            if template.cn in ("CorpUser", "User")]
    wanted = soap.Filter(oids=oids)
    assert set(ask(views, "/names", request_filter=wanted)["policies"]) == {"CorpUser", "User"}
    assert set(ask(views, "/but", request_filter=wanted)["policies"]) == {"User"}
    assert ask(views, "/none", request_filter=wanted)["policies"] is None


def test_views_follow_the_directory(make_httpd):
    """A template that comes later is shown where its name fits, and in no view by its place."""
    server = start_sample(make_httpd(), *[location_section(path, extra=INSTANCES[path][0])
                                          for path in ("/all", "/pattern", "/but")])
    for path in ("/all", "/pattern", "/but"):
        ask(server, path)
    entries = ldif.read(SAMPLE)
    for cn, new, oid in (("User", "AAA", "1.2.840.1"), ("User", "CorpAAA", "1.2.840.2")):
        entry = ldif.find(entries, cn, "pKICertificateTemplate").copy()
        entry.dn = entry.dn.replace("CN=User,", "CN=%s," % new)
        entry.set("cn", new)
        entry.set("displayName", new)
        entry.set("msPKI-Cert-Template-OID", oid)
        entries.append(entry)
        ldif.find(entries, "Corp Issuing CA 1", "pKIEnrollmentService").add(
            "certificateTemplates", new)
    ldif.write(server.path("new.ldif"), entries)
    marker = server.log.marker()
    with open(server.path("new.ldif"), encoding="utf-8") as file:
        server.write("policy.ldif", file.read())
    server.log.wait_for("CEP0500", marker)
    directory = evaluator.Directory(entries)
    wait_until(lambda: "AAA" in ask(server, "/all")["policies"])
    for path in ("/all", "/pattern", "/but"):
        for _ in range(12):  # of several processes
            assert compare(ask(server, path), directory.answer("bob", view=view_of(path))) == []


# How sections merge.

def test_merging(make_httpd, sample_directory):
    """A section's own lists replace outer ones whole, each directive by itself."""
    server = start_sample(
        make_httpd(), "CEPTemplates Corp* !CorpUser", "CEPTemplateRights autoenroll",
        'CEPPolicyName "Outer"', 'CEPPolicyName "Au\u00dfen" de', "CEPNextUpdate 10 0",
        location_section("/outer", name=None),
        location_section("/inner", name=None, extra=("CEPTemplates User",)),
        location_section("/inner-rights", name=None, extra=("CEPTemplateRights enroll",)),
        location_section("/inner-name", name="Inner", extra=("CEPNextUpdate 11",)),
        '<LocationMatch "^/(inner|outer)-or$">\n    CEPTemplates WebServer\n</LocationMatch>',
        location_section("/inner-or", name=None, extra=("CEPTemplates *",)))
    outer = ("Corp*", "!CorpUser")
    for path, view in (("/outer", View(*outer, rights="autoenroll")),
                       ("/inner", View("User", rights="autoenroll")),
                       ("/inner-rights", View(*outer)),
                       ("/inner-name", View(*outer, rights="autoenroll")),
                       ("/inner-or", View(rights="autoenroll"))):
        for caller in ("bob", "WS01$"):
            assert compare(ask(server, path, caller),
                           sample_directory.answer(caller, view=view)) == [], path
    for path, language, name, hours in (
            ("/outer", "en", "Outer", 10), ("/outer", "de-AT", "Au\u00dfen", 10),
            ("/inner-name", "en", "Inner", 11), ("/inner-name", "de", "Inner", 11)):
        model = ask(server, path, language=language)
        assert (model["friendly_name"], model["next_update_hours"]) == (name, hours)


# policyID.

GUID = re.compile(r"\{[0-9A-F]{8}-[0-9A-F]{4}-8[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}\}")

EQUAL = [  # each line one policyID, all lines different ones
    ("", "CEPTemplates *", "CEPTemplates Corp* *", "CEPTemplateRights enroll",
     "CEPKeyBasedRenewal On", 'CEPPolicyName "Another name"', "CEPNextUpdate 3 5",
     "CEPMaxVersion 5", "CEPVersionFilter lenient", "CEPLocalizedNames On"),
    ("CEPTemplates User Corp*", "CEPTemplates corp* USER user", "CEPTemplates Corp*\nCEPTemplates "
     "User", "CEPTemplates User Corp*\nCEPKeyBasedRenewal On"),
    ("CEPTemplates User",), ("CEPTemplates User !Corp*", "CEPTemplates !corp* user"),
    ("CEPTemplates !User", "CEPTemplates * !User"),
    ("CEPTemplateRights autoenroll", "CEPTemplateRights autoenroll\nCEPTemplates *",
     "CEPTemplateRights autoenroll\nCEPKeyBasedRenewal On"),
    ("CEPTemplateRights autoenroll\nCEPTemplates User",),
    ('CEPPolicyID "{00000000-1111-2222-3333-444444444444}"',
     'CEPPolicyID "{00000000-1111-2222-3333-444444444444}"\nCEPTemplates User'),
]


def policy_id_server(server):
    server.log.allow("CEP0131")  # of the last line
    return start_sample(server, *[
        location_section("/%d/%d" % (row, column), extra=lines.split("\n"))
        for row, group in enumerate(EQUAL) for column, lines in enumerate(group)])


def policy_ids(server):
    return [[ask(server, "/%d/%d" % (row, column), user)["policy_id"]
             for column in range(len(group)) for user in ("bob", "WS01$")]
            for row, group in enumerate(EQUAL)]


def test_policy_id(make_httpd):
    """Of the forest and the view, never of content; the same on every node, after every restart."""
    server = policy_id_server(make_httpd())
    ids = policy_ids(server)
    assert all(len(set(row)) == 1 for row in ids)
    assert len({row[0] for row in ids}) == len(EQUAL)
    assert all(GUID.fullmatch(row[0]) for row in ids[:-1])
    assert ids[-1][0] == "{00000000-1111-2222-3333-444444444444}"
    server.stop()
    server.start()
    assert policy_ids(server) == ids
    assert policy_ids(policy_id_server(make_httpd("worker"))) == ids


def test_policy_id_is_a_name_based_uuid(views):
    """RFC 9562, 5.8, of the forest's identity: computed here once more."""
    forest = next(entry for entry in ldif.read(SAMPLE) if entry.is_a("configuration"))
    guid = forest.value("objectGUID")
    text = "%s-%s-%s-%s-%s" % (guid[3::-1].hex(), guid[5:3:-1].hex(), guid[7:5:-1].hex(),
                               guid[8:10].hex(), guid[10:].hex())
    found = []
    for name in (text, text.upper(), "{%s}" % text.upper(), guid.hex()):
        d = bytearray(hashlib.sha256(("mod_cep policyID 1\n" + name).encode()).digest()[:16])
        d[6], d[8] = d[6] & 0x0f | 0x80, d[8] & 0x3f | 0x80
        h = d.hex().upper()
        found.append("{%s-%s-%s-%s-%s}" % (h[:8], h[8:12], h[12:16], h[16:20], h[20:]))
    assert ask(views, "/all")["policy_id"] in found


# policyFriendlyName.

@pytest.fixture(scope="module")
def names(make_module_httpd):
    return start_sample(
        make_module_httpd(),
        location_section("/several", name=None, extra=(
            'CEPPolicyName "Contoso Richtlinie" de', 'CEPPolicyName "Contoso"',
            'CEPPolicyName "Contoso (CH) <R&D>" de-CH', 'CEPPolicyName "\u4e2d\u6587" zh-CN',
            'CEPPolicyName "\u7e41\u9ad4" zh',
            'CEPPolicyName "Contoso Polska" PL-pl')),
        location_section("/no-default", name=None, extra=('CEPPolicyName "Richtlinie" de',)),
        location_section("/last", name=None, extra=(
            'CEPPolicyName "One"', 'CEPPolicyName "Two"', 'CEPPolicyName "Eins" de',
            'CEPPolicyName "Zwei" DE')))


@pytest.mark.parametrize("path, language, name", [
    ("/several", None, "Contoso"), ("/several", "en-US", "Contoso"),
    ("/several", "de", "Contoso Richtlinie"), ("/several", "DE-at", "Contoso Richtlinie"),
    ("/several", "de-CH", "Contoso (CH) <R&D>"), ("/several", "de-ch", "Contoso (CH) <R&D>"),
    ("/several", "zh-CN", "\u4e2d\u6587"), ("/several", "zh-TW", "\u7e41\u9ad4"),
    ("/several", "pl", "Contoso Polska"), ("/several", "pl-PL", "Contoso Polska"),
    ("/several", "deutsch", "Contoso"), ("/several", "x y", "Contoso"),
    ("/no-default", "en", None), ("/no-default", "de-LI", "Richtlinie"),
    ("/no-default", None, None), ("/last", "fr-FR", "Two"),
    ("/last", "en", "Two"), ("/last", "de", "Zwei"),
])
def test_friendly_name_in_the_language_of_the_client(names, path, language, name):
    assert ask(names, path, language=language)["friendly_name"] == name


# nextUpdateHours.

def test_spread_of_next_update(make_httpd):
    """Each caller has an hour of his own, on every node and after each restart."""
    sections = [location_section("/none", extra=("CEPNextUpdate 8 0",)),
                location_section("/one", extra=("CEPNextUpdate 8 1",)),
                location_section("/year", extra=("CEPNextUpdate 1 8759",))]
    servers = [start_sample(make_httpd(mpm), *sections) for mpm in ("event", "worker")]
    callers = ("alice", "bob", "carol", "dave", "frank", "grace", "WS01$", "DC1$")

    def hours(server, path):
        return [ask(server, path, caller)["next_update_hours"] for caller in callers]

    assert set(hours(servers[0], "/none")) == {8}
    assert set(hours(servers[0], "/one")) == {8, 9}
    year = hours(servers[0], "/year")
    assert len(set(year)) == len(callers)
    assert all(1 <= value <= 8760 for value in year)
    assert hours(servers[1], "/year") == year
    # of the account, whatever he calls himself
    for name in ("CORP\\alice", "alice@corp.example"):
        assert ask(servers[0], "/year", name)["next_update_hours"] == year[0]
    servers[0].stop()
    servers[0].start()
    assert hours(servers[0], "/year") == year
