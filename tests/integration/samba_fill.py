# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Load LDIF files into a provisioned Samba that does not run. samba_ad.py calls it.

    samba_fill.py SMB_CONF PASSWORD LDIF...

A program of its own, because Samba's libraries stay out of the process that runs the tests. What
an entry may hold beside AD's attributes: keytab, a path that the account's keys are written to.
"""

import os
import sys

import ldb
from samba import dckeytab  # noqa: F401  (gives Net its export_keytab)
from samba.auth import system_session
from samba.credentials import Credentials
from samba.net import Net
from samba.param import LoadParm
from samba.samdb import SamDB

from cep_env import ldif

# What the directory computes itself, or what a step of its own sets.
COMPUTED = ("distinguishedname", "instancetype", "keytab", "member", "memberof", "name",
            "ntsecuritydescriptor", "objectcategory", "primarygroupid")
RELAX = ["relax:0"]  # lets objectSid and objectGUID be given
FIRST_FREE_RID = b"1500"


def connect(configuration):
    lp = LoadParm()
    lp.load(configuration)
    return lp, SamDB(lp=lp, session_info=system_session(lp))


def modify(db, dn, flag, name, values):
    message = ldb.Message(ldb.Dn(db, str(dn)))
    message[name] = ldb.MessageElement(list(values), flag, name)
    db.modify(message, RELAX)


def read(db, dn, name):
    """The values of an attribute of an entry, or None when there is no such entry."""
    try:
        return [bytes(value) for value in db.search(dn, ldb.SCOPE_BASE, attrs=[name])[0].get(
            name, [])]
    except ldb.LdbError as error:
        if error.args[0] != ldb.ERR_NO_SUCH_OBJECT:
            raise
        return None


def load(db, entry, password):
    """Add the entry. One that Samba itself made gets the attributes and SPNs that it lacks."""
    new = read(db, entry.dn, "objectClass") is None
    message = ldb.Message(ldb.Dn(db, entry.dn))
    for key, (name, values) in entry.attributes.items():
        if key not in COMPUTED and (new or key == "serviceprincipalname" or
                                    not read(db, entry.dn, name)):
            message[name] = ldb.MessageElement(values, ldb.FLAG_MOD_ADD, name)
    if new and entry.is_a("user"):
        message["unicodePwd"] = ldb.MessageElement(
            [('"%s"' % password).encode("utf-16-le")], ldb.FLAG_MOD_ADD, "unicodePwd")
    if new:
        db.add(message, RELAX)
    elif len(message):
        db.modify(message, RELAX)


def add_members(db, group, members):
    have = {value.lower() for value in read(db, group, "member")} if members else ()
    missing = [member for member in members if member.lower() not in have]
    if missing:
        modify(db, group, ldb.FLAG_MOD_ADD, "member", missing)


def set_primary_group(db, entry):
    """As an administrator does: make it a member, make the group primary, leave the former."""
    wanted = entry.value("primaryGroupID")
    now = wanted and read(db, entry.dn, "primaryGroupID")[0]
    if now == wanted:
        return
    group, former = [str(db.search("<SID=%s-%s>" % (db.get_domain_sid(), rid.decode()),
                                   ldb.SCOPE_BASE, attrs=["cn"])[0].dn) for rid in (wanted, now)]
    add_members(db, group, [entry.dn.encode()])
    modify(db, entry.dn, ldb.FLAG_MOD_REPLACE, "primaryGroupID", [wanted])
    if former not in entry.texts("memberOf"):
        modify(db, former, ldb.FLAG_MOD_DELETE, "member", [entry.dn.encode()])


def write_descriptors(db, directory, entries):
    """Octet for octet: below Samba's modules, which would add what is inherited."""
    partition = os.path.join(directory, "sam.ldb.d", str(db.get_config_basedn()).upper() + ".ldb")
    raw = ldb.Ldb(partition)
    raw.transaction_start()
    for entry in entries:
        if entry.values("nTSecurityDescriptor"):
            message = ldb.Message(ldb.Dn(raw, entry.dn))
            message["nTSecurityDescriptor"] = ldb.MessageElement(
                entry.values("nTSecurityDescriptor"), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
            raw.modify(message)
    raw.transaction_commit()


def export_keys(lp, entries):
    credentials = Credentials()
    credentials.guess(lp)
    net = Net(credentials, lp)
    for entry in entries:
        for path in entry.texts("keytab"):
            for principal in entry.texts("servicePrincipalName") or entry.texts("sAMAccountName"):
                net.export_keytab(keytab=path, principal=principal)


def main():
    configuration, password, *files = sys.argv[1:]
    entries = ldif.read(*files)
    lp, db = connect(configuration)
    db.transaction_start()
    # Accounts that are made later must not take the SIDs of those in the files.
    controller = db.search(expression="(objectClass=rIDSet)", attrs=["rIDNextRID"])[0].dn
    modify(db, controller, ldb.FLAG_MOD_REPLACE, "rIDNextRID", [FIRST_FREE_RID])
    for entry in entries:
        load(db, entry, password)
    for entry in entries:
        add_members(db, entry.dn, entry.values("member"))
    for entry in entries:
        set_primary_group(db, entry)
    db.transaction_commit()
    write_descriptors(db, lp.get("private dir"), entries)
    export_keys(lp, entries)


if __name__ == "__main__":
    main()
