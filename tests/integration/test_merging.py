# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""How the directives of an instance merge: as httpd merges sections, each directive by itself.

A row of CASES: what the server, the virtual host, the location, a location below it, a
LocationMatch and an <If> say, and what comes of it there. Inner wins, later wins, what is silent
takes over; a list replaces the outer list whole.
"""

import pytest

from cep_env import soap
from cep_env.evaluator import View, compare
from cep_env.httpd import location_section
from conftest import start_sample

A, B = "{A}", "{B}"

SERVER = ['CEPPolicyName "Server"', 'CEPPolicyName "Serveur" fr', "CEPNextUpdate 20 0",
          "CEPTemplates !WebServer", "CEPMaxVersion 3", "CEPPolicyID {A}",
          "CEPVersionFilter lenient"]
HOST = ["CEPNextUpdate 21", "CEPTemplates Corp* User", 'CEPPolicyName "Host"']
EVERYTHING = soap.Filter(client=None, server=None)

# path: its own lines, what it says of itself (name, in French, hours, policyID), and what it shows
CASES = {
    "/host": ((), ("Host", "Host", 21, A), View("Corp*", "User", maximum=3, lenient=True)),
    "/own": (("CEPNextUpdate 22 0", "CEPTemplates User", 'CEPPolicyName "Own"',
              'CEPPolicyName "Propre" fr', "CEPPolicyID {B}", "CEPMaxVersion 6",
              "CEPVersionFilter spec"),
             ("Own", "Propre", 22, B), View("User")),
    # below /own, without a word of its own but for these
    "/own/below": (("CEPNextUpdate 23",), ("Own", "Propre", 23, B), View("User")),
    "/own/list": (("CEPTemplates !User", 'CEPPolicyName "Below"'),
                  ("Below", "Below", 22, B), View("!User")),
    # a LocationMatch that stands behind the location, and one before it
    "/later": (("CEPNextUpdate 24", "CEPTemplates User"), ("Host", "Host", 25, A),
               View("CorpUser", maximum=3, lenient=True)),
    "/earlier": (("CEPNextUpdate 24",), ("Host", "Host", 24, A),
                 View("CorpUser", maximum=3, lenient=True)),
    # <If> comes last of all
    "/if": (("CEPNextUpdate 24", "CEPTemplateRights enroll"), ("Host", "Host", 26, A),
            View("Corp*", "User", rights="autoenroll", maximum=3, lenient=True)),
    "/renewal": (("CEPKeyBasedRenewal On", "CEPTemplates *"), ("Host", "Host", 21, A),
                 View("*", renewal=True, maximum=3, lenient=True)),
    "/renewal/not": (("CEPKeyBasedRenewal Off",), ("Host", "Host", 21, A),
                     View("*", maximum=3, lenient=True)),
    "/auto": (("CEPTemplateRights autoenroll", "CEPMaxVersion 4"), ("Host", "Host", 21, A),
              View("Corp*", "User", rights="autoenroll", maximum=4, lenient=True)),
}


@pytest.fixture(scope="module")
def server(make_module_httpd):
    server = make_module_httpd()
    server.log.expect("CEP0131")  # one policyID for many views: only here
    below = {"/own/below", "/own/list", "/renewal/not"}  # what they need is above
    return start_sample(
        server, *HOST,
        '<LocationMatch "^/earlier$">\nCEPNextUpdate 30\nCEPTemplates CorpUser\n</LocationMatch>',
        *[location_section(path, name=None, auth=path not in below,
                           directory=None if path in below else "corp", extra=lines)
          for path, (lines, _, _) in CASES.items()],
        '<LocationMatch "^/later$">\nCEPNextUpdate 25\nCEPTemplates CorpUser\n</LocationMatch>',
        "<If \"%{REQUEST_URI} == '/if'\">\nCEPNextUpdate 26\nCEPTemplateRights autoenroll\n</If>",
        server=("CEPTokenTTL 0", *SERVER))


@pytest.mark.parametrize("path", CASES)
@pytest.mark.parametrize("caller", ("bob", "WS01$"))
def test_what_it_shows(server, sample_directory, path, caller):
    view = CASES[path][2]
    model = soap.check_answer(soap.send(server, soap.build(request_filter=EVERYTHING), user=caller,
                                        path=path))
    expected = sample_directory.answer(caller, view.versions(EVERYTHING), view=view)
    assert compare(model, expected) == []


@pytest.mark.parametrize("path", CASES)
def test_what_it_says_of_itself(server, path):
    name, french, hours, policy_id = CASES[path][1]
    for language, expected in (("en", name), ("fr", french)):
        model = soap.check_answer(soap.send(server, soap.build(language=language), path=path))
        assert (model["friendly_name"], model["next_update_hours"], model["policy_id"]) == (
            expected, hours, policy_id)
