/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* From a certificate to an account, in a directory that is an LDIF file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "certificate_builder.h"
#include "hex.h"
#include "ldif_directory.h"

#define NTAUTH "CN=NTAuthCertificates,CN=Public Key Services,CN=Services,CN=Configuration," BASE

#define ALL (CEP_MAP_SID | CEP_MAP_ALTSECID | CEP_MAP_UPN | CEP_MAP_DNS)

static struct authority ca;  /* stands in NTAuthCertificates */
static struct authority two; /* does not */
static EVP_PKEY *owner_key;

/* --- a directory, entry by entry --- */

static void put_ntauth(struct cep_value certificate)
{
    fprintf(ldif, "dn: " NTAUTH "\nobjectClass: certificationAuthority\n");
    put_octets("cACertificate", certificate);
    end_entry();
}

/* more: further lines, each with its line end. */
static void put_account(const char *name, const char *rid, const char *more)
{
    fprintf(ldif, "dn: CN=%s,CN=Users," BASE "\nobjectClass: user\nsAMAccountName: %s\n", name,
            name);
    put_sid("objectSid", rid);
    if (!strstr(more, "userAccountControl"))
        fprintf(ldif, "userAccountControl: 512\n");
    fprintf(ldif, "%s", more);
    end_entry();
}

/* --- asking --- */

static struct cep_certificate *read_certificate(struct cep_value der)
{
    struct cep_certificate *certificate;
    const char *problem = cep_certificate_read(&certificate, der.data, der.len, pool);

    if (problem)
        fail_msg("%s", problem);
    return certificate;
}

/*
 * status APR_SUCCESS: text is the account's name; else a part of the error. -1: an error, any but
 * APR_NOTFOUND.
 */
static void check(struct cep_directory *directory, struct cep_value der, unsigned mappings,
                  apr_status_t status, const char *text)
{
    struct cep_caller *caller;
    const char *error;
    apr_status_t rv = cep_caller_find_certificate(
        &caller, directory, &config, read_certificate(der), mappings, 10 * SECOND, pool, &error);

    if (status == APR_SUCCESS) {
        if (rv != APR_SUCCESS)
            fail_msg("wanted %s, got %d: %s", text, rv, error);
        assert_string_equal(caller->account, text);
        assert_null(error);
        return;
    }
    if (rv == APR_SUCCESS)
        fail_msg("wanted \"%s\", got %s", text, caller->account);
    assert_null(caller);
    if (status == -1 ? rv == APR_NOTFOUND : rv != status)
        fail_msg("wanted %d, got %d: %s", status, rv, error);
    if (!strstr(error, text))
        fail_msg("\"%s\" does not say \"%s\"", error, text);
}

/* --- what a certificate may hold, in short --- */

#define SID_OF(rid) DOMAIN "-" rid

/* NULL: without. names: DNS names, separated by blanks. */
struct given {
    const char *sid, *upn, *names;
};

static struct cep_value alternative_names(const char *upn, const char *names)
{
    struct cep_value value = {NULL, 0};
    char *rest, *name;

    if (upn)
        value = upn_name(pool, upn);
    for (name = names ? apr_strtok(apr_pstrdup(pool, names), " ", &rest) : NULL; name;
         name = apr_strtok(NULL, " ", &rest))
        value = join(pool, value, dns_name(pool, name));
    return sequence(pool, value);
}

static struct cep_value certificate_with(const struct given *given)
{
    struct blueprint plan = {0};
    int count = 0;

    if (given->sid) {
        plan.extensions[count].oid = SID_EXTENSION;
        plan.extensions[count++].der = sid_der(pool, given->sid);
    }
    if (given->upn || given->names) {
        plan.extensions[count].oid = ALTERNATIVE_NAMES;
        plan.extensions[count].der = alternative_names(given->upn, given->names);
    }
    return issue(pool, &ca, owner_key, &plan);
}

/* --- which account --- */

static void put_accounts(void)
{
    put_account("alice", "1104", "userPrincipalName: alice@corp.example\n");
    put_account("bob", "1105", "userPrincipalName: robert@sales.example\n");
    put_account("twin1", "1106", "userPrincipalName: twin@corp.example\n");
    put_account("twin2", "1107", "userPrincipalName: TWIN@corp.example\n");
    put_account("same1", "1108", "");
    put_account("same2", "1108", "");
    put_account("WS01$", "1201",
                "objectClass: computer\nuserAccountControl: 4096\n"
                "dNSHostName: ws01.corp.example\n");
    put_account("WS02$", "1202",
                "objectClass: computer\nuserAccountControl: 4096\n"
                "dNSHostName: elsewhere.corp.example\n");
    put_account("ws03$", "1203", "dNSHostName: ws03.corp.example\n"); /* a user */
    put_account("WS04$", "1204",
                "objectClass: computer\nuserAccountControl: 4096\n"
                "dNSHostName: ws04.corp.example\n");
    put_account("WS05$", "1205",
                "objectClass: computer\nuserAccountControl: 4096\n"
                "dNSHostName: ws04.corp.example\n");
}

static void mappings_find_one_account_or_nobody(void **state)
{
    static const struct {
        struct given given;
        unsigned mappings;
        apr_status_t status;
        const char *text;
    } rows[] = {
        /* by SID */
        {{SID_OF("1104"), NULL, NULL}, CEP_MAP_DEFAULT, APR_SUCCESS, "alice"},
        {{SID_OF("1104"), NULL, NULL}, CEP_MAP_SID, APR_SUCCESS, "alice"},
        {{SID_OF("1201"), NULL, NULL}, CEP_MAP_DEFAULT, APR_SUCCESS, "WS01$"},
        {{SID_OF("1104"), NULL, NULL}, CEP_MAP_ALTSECID, APR_NOTFOUND, "no account has any of"},
        {{SID_OF("1104"), NULL, NULL},
         CEP_MAP_UPN | CEP_MAP_DNS,
         APR_NOTFOUND,
         "holds nothing that CEPCertificateMapping allows"},
        {{SID_OF("9999"), NULL, NULL}, CEP_MAP_SID, APR_NOTFOUND, "SID " SID_OF("9999")},
        {{"S-1-5-21-1-2-3-1104", NULL, NULL}, ALL, APR_NOTFOUND, "no account has any of these"},
        {{"S-1-5-32-544", NULL, NULL}, ALL, APR_NOTFOUND, "no account has any of these"},
        {{SID_OF("1108"), NULL, NULL}, CEP_MAP_SID, APR_NOTFOUND, "more than one entry has the"},
        /* by UPN, when it is allowed */
        {{NULL, "alice@corp.example", NULL}, CEP_MAP_DEFAULT, APR_NOTFOUND, "no account has any"},
        {{NULL, "alice@corp.example", NULL}, CEP_MAP_UPN, APR_SUCCESS, "alice"},
        {{NULL, "ALICE@Corp.Example", NULL}, ALL, APR_SUCCESS, "alice"},
        {{NULL, "robert@sales.example", NULL}, CEP_MAP_UPN, APR_SUCCESS, "bob"},
        {{NULL, "bob@corp.example", NULL}, CEP_MAP_UPN, APR_SUCCESS, "bob"},
        {{NULL, "bob@sales.example", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "UPN bob@sales.example"},
        {{NULL, "alice", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "UPN alice"},
        {{NULL, "CORP\\alice", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "UPN CORP\\alice"},
        {{NULL, "host/ws01@corp.example", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "UPN host/ws01"},
        {{NULL, "*@corp.example", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "UPN *@"},
        {{NULL, "alice@corp.example)(a=*", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "UPN alice"},
        {{NULL, "twin@corp.example", NULL}, CEP_MAP_UPN, APR_NOTFOUND, "more than one entry has"},
        {{NULL, "WS01$@corp.example", NULL}, CEP_MAP_UPN, APR_SUCCESS, "WS01$"},
        /* by DNS name, when it is allowed */
        {{NULL, NULL, "ws01.corp.example"}, CEP_MAP_DEFAULT, APR_NOTFOUND, "no account has any"},
        {{NULL, NULL, "ws01.corp.example"}, CEP_MAP_DNS, APR_SUCCESS, "WS01$"},
        {{NULL, NULL, "WS01.Corp.Example"}, CEP_MAP_DNS, APR_SUCCESS, "WS01$"},
        {{NULL, NULL, "ws01"}, CEP_MAP_DNS, APR_NOTFOUND, "DNS name ws01"},
        {{NULL, NULL, "ws01.corp.example."}, CEP_MAP_DNS, APR_NOTFOUND, "DNS name ws01"},
        {{NULL, NULL, "*.corp.example"}, CEP_MAP_DNS, APR_NOTFOUND, "DNS name *.corp"},
        {{NULL, NULL, "elsewhere.corp.example"}, CEP_MAP_DNS, APR_NOTFOUND, "it is no computer"},
        {{NULL, NULL, "ws03.corp.example"}, CEP_MAP_DNS, APR_NOTFOUND, "it is no computer"},
        {{NULL, NULL, "ws04.corp.example"}, CEP_MAP_DNS, APR_NOTFOUND, "more than one entry has"},
        {{NULL, NULL, "ws01.corp.example ws01"}, CEP_MAP_DNS, APR_NOTFOUND, "it has several"},
        {{SID_OF("1201"), NULL, "ws01.corp.example ws01"}, ALL, APR_SUCCESS, "WS01$"},
        /* several that agree, or of which only one knows the account */
        {{SID_OF("1104"), "alice@corp.example", NULL}, ALL, APR_SUCCESS, "alice"},
        {{SID_OF("1104"), "old-name@corp.example", NULL}, ALL, APR_SUCCESS, "alice"},
        {{SID_OF("1201"), NULL, "ws01.corp.example"}, ALL, APR_SUCCESS, "WS01$"},
        /* several that do not */
        {{SID_OF("1104"), "bob@corp.example", NULL}, ALL, APR_NOTFOUND, "mapped to two accounts"},
        {{SID_OF("1104"), NULL, "ws01.corp.example"}, ALL, APR_NOTFOUND, "to two accounts"},
        {{NULL, "alice@corp.example", "ws01.corp.example"}, ALL, APR_NOTFOUND, "two accounts"},
        /* what is not allowed is not asked */
        {{SID_OF("1104"), "bob@corp.example", NULL}, CEP_MAP_DEFAULT, APR_SUCCESS, "alice"},
        /* but a SID must not contradict a weak mapping */
        {{SID_OF("1104"), "bob@corp.example", NULL},
         CEP_MAP_UPN,
         APR_NOTFOUND,
         "but its SID extension names " SID_OF("1104")},
        {{SID_OF("9999"), "bob@corp.example", NULL}, ALL, APR_NOTFOUND, "its SID extension names"},
        {{SID_OF("9999"), NULL, "ws01.corp.example"}, ALL, APR_NOTFOUND, "its SID extension names"},
        {{SID_OF("1105"), "bob@corp.example", NULL}, CEP_MAP_UPN, APR_SUCCESS, "bob"},
        /* nothing in it */
        {{NULL, NULL, NULL}, CEP_MAP_DEFAULT, APR_NOTFOUND, "no account has any of these: "},
        {{NULL, NULL, NULL}, CEP_MAP_SID, APR_NOTFOUND, "holds nothing that"},
    };
    struct cep_directory *directory;
    size_t i;

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    put_accounts();
    directory = open_ldif();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check(directory, certificate_with(&rows[i].given), rows[i].mappings, rows[i].status,
              rows[i].text);
    assert_true(cep_directory_usable(directory));
}

/* --- altSecurityIdentities --- */

static const unsigned char key_identifier[] = {4, 4, 0xde, 0xad, 0x01, 0x0f};

/* Serial number 1bc2...: with the SKI deadeaf. */
static struct cep_value mapped_certificate(const char *serial)
{
    const struct blueprint plan = {.serial = serial,
                                   .extensions = {{KEY_IDENTIFIER, {key_identifier, 6}}}};

    return issue(pool, &ca, owner_key, &plan);
}

static const char *hex_digest(const unsigned char *data, size_t length)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size, i;
    const char *text = "";

    assert_int_equal(EVP_Digest(data, length, digest, &size, EVP_sha1(), NULL), 1);
    for (i = 0; i < size; i++)
        text = apr_psprintf(pool, "%s%02x", text, digest[i]);
    return text;
}

/* SHA-1 of the point, without OpenSSL's own idea of what a certificate's key is. */
static const char *key_digest(void)
{
    unsigned char *point = NULL;
    size_t length = EVP_PKEY_get1_encoded_public_key(owner_key, &point);
    const char *text = hex_digest(point, length);

    OPENSSL_free(point);
    return text;
}

/* Carol has that value; alice is the SID's. */
static void check_altsecid(const char *serial, const char *value, const char *found)
{
    struct cep_directory *directory;
    struct cep_value der = mapped_certificate(serial);

    start_ldif();
    put_ntauth(ca.der);
    put_accounts();
    put_account("carol", "1301",
                apr_pstrcat(pool,
                            "altSecurityIdentities: Kerberos:carol@EXAMPLE\n"
                            "altSecurityIdentities: ",
                            value, "\n", NULL));
    directory = open_ldif();
    check(directory, der, CEP_MAP_DEFAULT, found ? APR_SUCCESS : APR_NOTFOUND,
          found ? found : "no account has any of these: altSecurityIdentities X509:<");
    check(directory, der, ALL & ~(unsigned)CEP_MAP_ALTSECID, APR_NOTFOUND, "holds nothing that");
}

static void strong_forms_of_altsecid_find_the_account(void **state)
{
    static const struct {
        const char *serial, *value, *found;
    } rows[] = {
        /* from last to first octet */
        {"2B0000000011AC0000000012",
         "X509:<I>DC=example,DC=corp,CN=Test CA<SR>"
         "1200000000ac11000000002b",
         "carol"},
        {"2B0000000011AC0000000012",
         "X509:<i>dc=EXAMPLE,dc=corp,cn=test ca<SR>"
         "1200000000AC11000000002B",
         "carol"},
        {"01", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>01", "carol"},
        {"010203", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>030201", "carol"},
        {"8001", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>0180", "carol"},
        {"8001", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>018000", "carol"},
        {"7001", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>017000", NULL},
        {"010203", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>010203", NULL},
        {"010203", "X509:<I>CN=Test CA,DC=corp,DC=example<SR>030201", NULL},
        {"010203", "X509:<I>DC=example, DC=corp, CN=Test CA<SR>030201", NULL},
        {"010203", "X509:<I>DC=example,DC=corp,CN=Other CA<SR>030201", NULL},
        {"010203", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>0302", NULL},
        {"010203", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>*", NULL},
        {"010203", "X509:<SR>030201", NULL},
        {"-010203", "X509:<I>DC=example,DC=corp,CN=Test CA<SR>030201", NULL},
        {"1", "X509:<SKI>dead010f", "carol"},
        {"1", "X509:<SKI>DEAD010F", "carol"},
        {"1", "X509:<SKI>0f01adde", NULL},
        {"1", "X509:<SKI>0404dead010f", NULL},
        {"1", "X509:<SKI>", NULL},
        /* weak ones are not used, whatever is switched on */
        {"1", "X509:<I>DC=example,DC=corp,CN=Test CA<S>CN=owner", NULL},
        {"1", "X509:<S>CN=owner", NULL},
        {"1", "X509:<RFC822>owner@corp.example", NULL},
        {"1", "X509:<I>DC=example,DC=corp,CN=Test CA", NULL},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_altsecid(rows[i].serial, rows[i].value, rows[i].found);
    check_altsecid("1", apr_pstrcat(pool, "X509:<SHA1-PUKEY>", key_digest(), NULL), "carol");
}

/* The thumbprint is that of one certificate, so the directory has to be made after it. */
static void the_thumbprint_is_a_strong_form(void **state)
{
    struct cep_value der = mapped_certificate("1"), other = mapped_certificate("2");
    struct cep_directory *directory;

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    put_account("carol", "1301",
                apr_pstrcat(pool, "altSecurityIdentities: X509:<SHA1-PUKEY>",
                            hex_digest(der.data, der.len), "\n", NULL));
    directory = open_ldif();
    check(directory, der, CEP_MAP_DEFAULT, APR_SUCCESS, "carol");
    check(directory, other, CEP_MAP_DEFAULT, APR_NOTFOUND, "no account has any of these");
}

/* One account may have several forms, and several certificates; two accounts may not share one. */
static void one_value_of_two_accounts_is_nobody(void **state)
{
    static const char serial[] = "altSecurityIdentities: "
                                 "X509:<I>DC=example,DC=corp,CN=Test CA<SR>01\n";
    static const char ski[] = "altSecurityIdentities: X509:<SKI>dead010f\n";
    const struct {
        const char *of_carol, *of_dave;
        apr_status_t status;
        const char *text;
    } rows[] = {
        {serial, "", APR_SUCCESS, "carol"},
        {apr_pstrcat(pool, serial, ski, NULL), "", APR_SUCCESS, "carol"},
        {serial, serial, APR_NOTFOUND, "more than one entry has the altSecurityIdentities"},
        {serial, ski, APR_NOTFOUND, "mapped to two accounts"},
        {ski, serial, APR_NOTFOUND, "mapped to two accounts"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start_ldif();
        put_ntauth(ca.der);
        put_account("carol", "1301", rows[i].of_carol);
        put_account("dave", "1302", rows[i].of_dave);
        check(open_ldif(), mapped_certificate("1"), CEP_MAP_DEFAULT, rows[i].status, rows[i].text);
    }
}

/* A SID of this forest and altSecurityIdentities of another account: which is meant? */
static void sid_and_altsecid_must_agree(void **state)
{
    static const struct {
        const char *sid;
        unsigned mappings;
        apr_status_t status;
        const char *text;
    } rows[] = {
        {SID_OF("1301"), CEP_MAP_DEFAULT, APR_SUCCESS, "carol"},
        {SID_OF("1104"), CEP_MAP_DEFAULT, APR_NOTFOUND, "mapped to two accounts"},
        {SID_OF("1104"), CEP_MAP_SID, APR_SUCCESS, "alice"},
        /* explicit mappings are for certificates of other forests, whose SIDs are not ours */
        {SID_OF("1104"), CEP_MAP_ALTSECID, APR_SUCCESS, "carol"},
        {"S-1-5-21-1-2-3-1104", CEP_MAP_DEFAULT, APR_SUCCESS, "carol"},
    };
    struct cep_directory *directory;
    size_t i;

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    put_accounts();
    put_account("carol", "1301", "altSecurityIdentities: X509:<SKI>dead010f\n");
    directory = open_ldif();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct blueprint plan = {.extensions = {{KEY_IDENTIFIER, {key_identifier, 6}},
                                                      {SID_EXTENSION, sid_der(pool, rows[i].sid)}}};

        check(directory, issue(pool, &ca, owner_key, &plan), rows[i].mappings, rows[i].status,
              rows[i].text);
    }
}

/* --- the issuer's name --- */

struct part {
    const char *key; /* as OpenSSL spells it */
    int type;
    const char *value;
    int together; /* with the part before, in one RDN */
    int length;   /* 0: up to the NUL */
};

static X509_NAME *make_name(const struct part *parts)
{
    X509_NAME *name = X509_NAME_new();

    for (; parts->key; parts++)
        assert_true(X509_NAME_add_entry_by_txt(
            name, parts->key, parts->type, (const unsigned char *)parts->value,
            parts->length ? parts->length : -1, -1, parts->together ? -1 : 0));
    return name;
}

static void issuers_are_written_as_windows_does(void **state)
{
    static const struct {
        struct part parts[6];
        const char *text; /* NULL: not known for sure */
    } rows[] = {
        {{{"DC", V_ASN1_IA5STRING, "example", 0, 0},
          {"DC", V_ASN1_IA5STRING, "corp", 0, 0},
          {"CN", V_ASN1_PRINTABLESTRING, "Corp CA", 0, 0}},
         "DC=example,DC=corp,CN=Corp CA"},
        {{{"C", V_ASN1_PRINTABLESTRING, "US", 0, 0},
          {"O", V_ASN1_PRINTABLESTRING, "U.S. Government", 0, 0},
          {"OU", V_ASN1_UTF8STRING, "Demo CA", 0, 0}},
         "C=US,O=U.S. Government,OU=Demo CA"},
        {{{"ST", V_ASN1_UTF8STRING, "Hessen", 0, 0},
          {"L", V_ASN1_UTF8STRING, "Frankfurt (Main)", 0, 0},
          {"emailAddress", V_ASN1_IA5STRING, "ca@corp.example", 0, 0}},
         "S=Hessen,L=Frankfurt (Main),E=ca@corp.example"},
        {{{"CN", V_ASN1_UTF8STRING, "M\xc3\xbcller CA", 0, 0}}, "CN=M\xc3\xbcller CA"},
        {{{"CN", V_ASN1_BMPSTRING, "\0C\0\xe9", 0, 4}}, "CN=C\xc3\xa9"},
        {{{"CN", V_ASN1_UTF8STRING, "", 0, 0}}, "CN=\"\""},
        {{{"SN", V_ASN1_UTF8STRING, "a", 0, 0},
          {"GN", V_ASN1_UTF8STRING, "b", 0, 0},
          {"initials", V_ASN1_UTF8STRING, "c", 0, 0},
          {"title", V_ASN1_UTF8STRING, "d", 0, 0},
          {"serialNumber", V_ASN1_PRINTABLESTRING, "7", 0, 0}},
         "SN=a,G=b,I=c,T=d,SERIALNUMBER=7"},
        /* quotes */
        {{{"O", V_ASN1_UTF8STRING, "Corp, Inc.", 0, 0}}, "O=\"Corp, Inc.\""},
        {{{"O", V_ASN1_UTF8STRING, "a+b", 0, 0}}, "O=\"a+b\""},
        {{{"O", V_ASN1_UTF8STRING, "a=b", 0, 0}}, "O=\"a=b\""},
        {{{"O", V_ASN1_UTF8STRING, "a<SR>b", 0, 0}}, "O=\"a<SR>b\""},
        {{{"O", V_ASN1_UTF8STRING, "a\"b", 0, 0}}, "O=\"a\"\"b\""},
        {{{"O", V_ASN1_UTF8STRING, " a", 0, 0}}, "O=\" a\""},
        {{{"O", V_ASN1_UTF8STRING, "a ", 0, 0}}, "O=\"a \""},
        {{{"O", V_ASN1_UTF8STRING, "a#b;c", 0, 0}}, "O=\"a#b;c\""},
        {{{"O", V_ASN1_UTF8STRING, "a\\b", 0, 0}}, "O=a\\b"},
        /* what nobody knows */
        {{{"CN", V_ASN1_UTF8STRING, "a", 0, 0}, {"OU", V_ASN1_UTF8STRING, "b", 1, 0}}, NULL},
        {{{"CN", V_ASN1_UTF8STRING, "a", 0, 0},
          {"O", V_ASN1_UTF8STRING, "c", 0, 0},
          {"OU", V_ASN1_UTF8STRING, "b", 1, 0}},
         NULL},
        {{{"UID", V_ASN1_UTF8STRING, "a", 0, 0}}, NULL},
        {{{"1.2.3.4", V_ASN1_UTF8STRING, "a", 0, 0}}, NULL},
        {{{"CN", V_ASN1_T61STRING, "a", 0, 0}}, NULL},
        {{{"CN", V_ASN1_UTF8STRING, "a\nb", 0, 0}}, NULL},
        {{{"CN", V_ASN1_UTF8STRING, "a\x7f", 0, 0}}, NULL},
        {{{"CN", V_ASN1_UTF8STRING, "a\xff", 0, 0}}, NULL},
        {{{NULL, 0, NULL, 0, 0}}, NULL},
    };
    static const char prefix[] = "X509:<I>";
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct authority odd = {owner_key, make_name(rows[i].parts), {NULL, 0}};
        const struct blueprint plan = {0};
        struct cep_certificate *certificate = read_certificate(issue(pool, &odd, owner_key, &plan));
        const char *first = certificate->altsecids[0];

        X509_NAME_free(odd.name);
        if (!rows[i].text) {
            if (strncmp(first, prefix, strlen(prefix)) == 0)
                fail_msg("row %d has %s", (int)i, first);
            continue;
        }
        assert_string_equal(first, apr_pstrcat(pool, prefix, rows[i].text, "<SR>01", NULL));
    }
}

/* --- certificates that name nobody --- */

static struct cep_value raw(const char *hex)
{
    size_t length = strlen(hex) / 2;
    unsigned char *data = apr_palloc(pool, length + 1);

    assert_true(read_hex(data, length, hex));
    return octets(data, length);
}

static const char *problem_of(const struct blueprint *plan)
{
    struct cep_value der = issue(pool, &ca, owner_key, plan);
    struct cep_certificate *certificate;
    const char *problem = cep_certificate_read(&certificate, der.data, der.len, pool);

    assert_int_equal(problem == NULL, certificate != NULL);
    return problem ? problem : "";
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    const struct cep_value sid = sid_der(pool, SID_OF("1104"));
    const struct cep_value sid_name =
        other_name_der(pool, SID_TYPE, V_ASN1_OCTET_STRING, text_octets(SID_OF("1104")));
    const struct cep_value alice = upn_name(pool, "alice@corp.example");
    const struct cep_value bob = upn_name(pool, "bob@corp.example");
    const struct cep_value dns = dns_name(pool, "ws01.corp.example");
    const struct cep_value none = {NULL, 0};
    const struct {
        struct blueprint plan;
        const char *problem; /* "": none */
    } rows[] = {
        {{.extensions = {{SID_EXTENSION, sid}}}, ""},
        {{.extensions = {{SID_EXTENSION, sid}, {SID_EXTENSION, sid}}}, "more than one SID"},
        {{.extensions = {{SID_EXTENSION, sid}, {SID_EXTENSION, sid_der(pool, SID_OF("1"))}}},
         "more than one SID"},
        {{.extensions = {{SID_EXTENSION, sequence(pool, join(pool, sid_name, sid_name))}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sequence(pool, join(pool, sid_name, dns))}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sequence(pool, none)}}}, "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, none}}}, "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sid_name}}}, "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, join(pool, sid, raw("00"))}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, octets(sid.data, sid.len - 1)}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION,
                          sequence(pool, other_name_der(pool, SID_TYPE, V_ASN1_UTF8STRING,
                                                        text_octets("S-1-5-32")))}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sequence(pool, alice)}}}, "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sid_der(pool, "")}}}, "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sid_der(pool, "alice")}}}, "SID extension cannot be"},
        {{.extensions = {{SID_EXTENSION, sid_der(pool, "S-1-5-21-1-2-3-4 ")}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sid_der(pool, "s-1-5-21-1-2-3-4")}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sid_der(pool, "S-1-5-21-1-2-3-04")}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION, sid_der(pool, "S-1-5-21-1-2-3-4294967296")}}},
         "SID extension cannot be read"},
        {{.extensions = {{SID_EXTENSION,
                          sequence(pool, other_name_der(pool, SID_TYPE, V_ASN1_OCTET_STRING,
                                                        octets("S-1-5-32-544\0-1", 15)))}}},
         "SID extension cannot be read"},
        /* alternative names */
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, alice)}}}, ""},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, join(pool, alice, alice))}}},
         "more than one UPN"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, join(pool, alice, bob))}}},
         "more than one UPN"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, alice)},
                         {ALTERNATIVE_NAMES, sequence(pool, dns)}}},
         "more than one extension of alternative names"},
        {{.extensions = {{ALTERNATIVE_NAMES, raw("0500")}}}, "alternative names cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, none}}}, "alternative names cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, join(pool, sequence(pool, alice), raw("00"))}}},
         "alternative names cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, upn_name(pool, ""))}}},
         "UPN cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, upn_name(pool, "a\xff@b"))}}},
         "UPN cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, upn_name(pool, "a\n@b"))}}},
         "UPN cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES,
                          sequence(pool,
                                   other_name_der(pool, UPN_TYPE, V_ASN1_UTF8STRING,
                                                  octets("alice@corp.example\0.evil", 24)))}}},
         "UPN cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES,
                          sequence(pool, other_name_der(pool, UPN_TYPE, V_ASN1_OCTET_STRING,
                                                        text_octets("alice@corp.example")))}}},
         "UPN cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES,
                          sequence(pool, tlv(pool, 0x82, octets("ws01\0.example", 13)))}}},
         "DNS name of the certificate cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, dns_name(pool, ""))}}},
         "DNS name of the certificate cannot be read"},
        {{.extensions = {{ALTERNATIVE_NAMES, sequence(pool, join(pool, dns, dns))}}}, ""},
        {{.extensions = {{ALTERNATIVE_NAMES,
                          sequence(pool, other_name_der(pool, "1.3.6.1.4.1.311.25.1",
                                                        V_ASN1_OCTET_STRING, text_octets("x")))}}},
         ""},
        /* subject key identifier */
        {{.extensions = {{KEY_IDENTIFIER, {key_identifier, 6}}, {KEY_IDENTIFIER, raw("040101")}}},
         "more than one subject key identifier"},
        {{.extensions = {{KEY_IDENTIFIER, raw("0400")}}}, "subject key identifier cannot be read"},
        {{.extensions = {{KEY_IDENTIFIER, raw("04020101ff")}}},
         "subject key identifier cannot be read"},
        {{.extensions = {{KEY_IDENTIFIER, raw("0c0101")}}}, "subject key identifier cannot be"},
        {{.extensions = {{KEY_IDENTIFIER, none}}}, "subject key identifier cannot be read"},
        /* others that OpenSSL knows */
        {{.extensions = {{KEY_USAGES, raw("0500")}}}, "an extension of the certificate cannot be"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *problem = problem_of(&rows[i].plan);

        if (*rows[i].problem ? !strstr(problem, rows[i].problem) : *problem)
            fail_msg("row %d: wanted \"%s\", got \"%s\"", (int)i, rows[i].problem, problem);
    }
}

static const char *repeated(char c, size_t length)
{
    char *text = apr_palloc(pool, length + 1);

    memset(text, c, length);
    text[length] = '\0';
    return text;
}

static void lengths_are_limited(void **state)
{
    const struct {
        struct cep_value names;
        const char *problem;
    } rows[] = {
        {sequence(pool, upn_name(pool, repeated('a', CEP_CALLER_MAX_NAME))), ""},
        {sequence(pool, upn_name(pool, repeated('a', CEP_CALLER_MAX_NAME + 1))), "UPN cannot be"},
        {sequence(pool, dns_name(pool, repeated('a', 255))), ""},
        {sequence(pool, dns_name(pool, repeated('a', 256))), "DNS name of the certificate cannot"},
    };
    const struct {
        size_t length;
        const char *problem;
    } identifiers[] = {{1, ""}, {64, ""}, {65, "subject key identifier cannot be read"}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct blueprint plan = {.extensions = {{ALTERNATIVE_NAMES, rows[i].names}}};

        assert_non_null(strstr(problem_of(&plan), rows[i].problem));
        assert_int_equal(*problem_of(&plan) == '\0', *rows[i].problem == '\0');
    }
    for (i = 0; i < sizeof(identifiers) / sizeof(identifiers[0]); i++) {
        struct cep_value content = text_octets(repeated('x', identifiers[i].length));
        const struct blueprint plan = {.extensions = {{KEY_IDENTIFIER, tlv(pool, 4, content)}}};

        assert_non_null(strstr(problem_of(&plan), identifiers[i].problem));
        assert_int_equal(*problem_of(&plan) == '\0', *identifiers[i].problem == '\0');
    }
}

/* Signatures of ECDSA differ in length: try until one has the length wanted. */
static struct cep_value certificate_of_length(size_t wanted)
{
    size_t filling = wanted - 500;
    int attempt;

    for (attempt = 0; attempt < 200; attempt++) {
        const struct blueprint plan = {
            .extensions = {{"1.2.3.4", text_octets(repeated('x', filling))}}};
        struct cep_value der = issue(pool, &ca, owner_key, &plan);

        if (der.len == wanted)
            return der;
        filling += wanted - der.len;
    }
    fail_msg("no certificate of %d octets", (int)wanted);
    return octets("", 0);
}

static void whole_certificates_are_limited(void **state)
{
    struct cep_value good = mapped_certificate("1"), largest, longer;
    struct cep_certificate *certificate;
    size_t i;

    (void)state;
    assert_string_equal(cep_certificate_read(&certificate, "", 0, pool),
                        "the certificate is empty");
    assert_null(certificate);
    for (i = 1; i < good.len; i++)
        assert_string_equal(cep_certificate_read(&certificate, good.data, i, pool),
                            "the certificate cannot be read");
    longer = join(pool, good, raw("00"));
    assert_string_equal(cep_certificate_read(&certificate, longer.data, longer.len, pool),
                        "the certificate cannot be read");
    largest = certificate_of_length(CEP_CERTIFICATE_MAX);
    assert_null(cep_certificate_read(&certificate, largest.data, largest.len, pool));
    largest = certificate_of_length(CEP_CERTIFICATE_MAX + 1);
    assert_string_equal(cep_certificate_read(&certificate, largest.data, largest.len, pool),
                        "the certificate is too long");
}

/* --- may this certificate speak at all? --- */

static void certificates_must_be_valid_and_for_clients(void **state)
{
    static const char client[] = "06082b06010505070302", server[] = "06082b06010505070301",
                      any[] = "0604551d2500";
    const struct cep_value none = {NULL, 0};
    const struct {
        long from, until;
        struct cep_value usages;
        const char *problem; /* NULL: none */
    } rows[] = {
        {-DAY, DAY, none, NULL},
        {-DAY, -60, none, "the certificate is not valid now"},
        {60, DAY, none, "the certificate is not valid now"},
        {-DAY, DAY, sequence(pool, raw(client)), NULL},
        {-DAY, DAY, sequence(pool, join(pool, raw(server), raw(client))), NULL},
        {-DAY, DAY, sequence(pool, raw(server)), "is not meant for client authentication"},
        /* OpenSSL, and so mod_ssl, does not take it for client authentication */
        {-DAY, DAY, sequence(pool, raw(any)), "is not meant for client authentication"},
    };
    struct cep_directory *directory;
    size_t i;

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    put_accounts();
    directory = open_ldif();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct blueprint plan = {
            .from = rows[i].from,
            .until = rows[i].until,
            .extensions = {{SID_EXTENSION, sid_der(pool, SID_OF("1104"))},
                           {rows[i].usages.len ? KEY_USAGES : NULL, rows[i].usages}}};

        check(directory, issue(pool, &ca, owner_key, &plan), ALL,
              rows[i].problem ? APR_NOTFOUND : APR_SUCCESS,
              rows[i].problem ? rows[i].problem : "alice");
    }
}

static struct cep_value alice_certificate(struct authority *issuer)
{
    const struct blueprint plan = {.extensions = {{SID_EXTENSION, sid_der(pool, SID_OF("1104"))}}};

    return issue(pool, issuer, owner_key, &plan);
}

/* Whom the directory trusts decides, and their keys: not names, not what httpd trusts. */
static void the_issuer_must_be_in_ntauth(void **state)
{
    static const char refused[] = "no CA certificate in the forest's NTAuthCertificates";
    const struct blueprint renewal = {.serial = "77", .is_ca = 1, .from = -60, .until = 9 * DAY};
    const struct blueprint past = {.is_ca = 1, .from = -9 * DAY, .until = -60};
    const struct blueprint future = {.is_ca = 1, .from = 60, .until = DAY};
    const struct blueprint no_ca = {.from = -DAY, .until = DAY};
    struct authority namesake = {make_key(), authority_name("Test CA"), {NULL, 0}};
    struct cep_value namesakes = own_certificate(pool, &namesake, &renewal);
    struct authority renamed = {ca.key, authority_name("Renamed CA"), {NULL, 0}};
    struct cep_value renameds = own_certificate(pool, &renamed, &renewal);
    const struct {
        struct authority *issuer;
        struct cep_value trusted[3];
        const char *problem; /* NULL: alice */
    } rows[] = {
        {&ca, {ca.der}, NULL},
        {&ca, {two.der, ca.der}, NULL},
        {&ca, {namesakes, ca.der}, NULL},
        {&ca, {raw("00"), raw("3003020100"), ca.der}, NULL},
        {&ca, {own_certificate(pool, &ca, &renewal)}, NULL},
        {&ca, {own_certificate(pool, &ca, &past)}, refused},
        {&ca, {own_certificate(pool, &ca, &future)}, refused},
        {&ca, {own_certificate(pool, &ca, &no_ca)}, refused},
        {&ca, {two.der}, refused},
        {&ca, {namesakes}, refused},
        {&ca, {renameds}, refused}, /* the same key */
        {&ca, {octets(ca.der.data, ca.der.len - 1)}, refused},
        {&two, {ca.der}, refused},
        {&two, {two.der}, NULL},
        {&namesake, {ca.der}, refused},
        {&ca, {alice_certificate(&ca)}, refused},
    };
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start_ldif();
        fprintf(ldif, "dn: " NTAUTH "\nobjectClass: certificationAuthority\n");
        for (j = 0; j < 3 && rows[i].trusted[j].data; j++)
            put_octets("cACertificate", rows[i].trusted[j]);
        end_entry();
        put_accounts();
        check(open_ldif(), alice_certificate(rows[i].issuer), ALL,
              rows[i].problem ? APR_NOTFOUND : APR_SUCCESS,
              rows[i].problem ? rows[i].problem : "alice");
    }
    free_authority(&namesake);
    X509_NAME_free(renamed.name);
}

/* The root stands in NTAuth, but it is the issuing CA that counts. */
static void the_issuers_issuer_does_not_count(void **state)
{
    const struct blueprint plan = {.is_ca = 1};
    struct authority below = {make_key(), authority_name("Below CA"), {NULL, 0}};
    int trusted;

    (void)state;
    below.der = encode(pool, build(pool, &plan, below.name, ca.name, below.key), ca.key);
    for (trusted = 0; trusted < 2; trusted++) {
        start_ldif();
        put_ntauth(trusted ? below.der : ca.der);
        put_accounts();
        check(open_ldif(), alice_certificate(&below), ALL, trusted ? APR_SUCCESS : APR_NOTFOUND,
              trusted ? "alice" : "no CA certificate in the forest's NTAuthCertificates");
    }
    free_authority(&below);
}

/* A signature that does not fit: one bit of the certificate is another. */
static void signatures_are_verified(void **state)
{
    struct cep_value der = alice_certificate(&ca);
    unsigned char *changed = apr_pmemdup(pool, der.data, der.len);
    struct cep_directory *directory;
    size_t i;

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    put_accounts();
    directory = open_ldif();
    /* 1104 becomes 1105, who is bob */
    for (i = 0; memcmp(changed + i, "-1104", 5) != 0; i++)
        assert_true(i + 5 < der.len);
    changed[i + 4] = '5';
    check(directory, octets(changed, der.len), ALL, APR_NOTFOUND, "no CA certificate in");
}

static void a_forest_without_trusted_cas_is_an_error(void **state)
{
    int empty;

    (void)state;
    for (empty = 0; empty < 2; empty++) {
        start_ldif();
        if (empty)
            fprintf(ldif, "dn: " NTAUTH "\nobjectClass: certificationAuthority\n\n");
        put_accounts();
        check(open_ldif(), alice_certificate(&ca), ALL, -1, "shows no CA certificates in " NTAUTH);
    }
}

/* --- from the account on: as for names --- */

static void accounts_are_checked_as_for_names(void **state)
{
    static const struct {
        const char *more;
        apr_status_t status;
        const char *text;
    } rows[] = {
        {"", APR_SUCCESS, "owner"},
        {"userAccountControl: 514\n", APR_NOTFOUND, "is disabled"},
        {"accountExpires: 130000000000000000\n", APR_NOTFOUND, "has expired"},
        {"lockoutTime: 130000000000000000\n", APR_NOTFOUND, "is locked out"},
        {"userAccountControl: 2080\n", APR_NOTFOUND, "stands for a trust"},
        {"userAccountControl: none\n", -1, "has no readable userAccountControl"},
        {"memberOf: CN=Gone,CN=Users," BASE "\n", -1, "the group CN=Gone"},
    };
    const struct given given = {SID_OF("1104"), NULL, NULL};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start_ldif();
        put_ntauth(ca.der);
        put_account("owner", "1104", rows[i].more);
        check(open_ldif(), certificate_with(&given), ALL, rows[i].status, rows[i].text);
    }
}

/* A group's SID, a contact: what is found must be an account. */
static void what_is_no_account_is_nobody(void **state)
{
    const struct given given = {SID_OF("2001"), NULL, NULL};

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    fprintf(ldif, "dn: CN=group,CN=Users," BASE "\nobjectClass: group\nsAMAccountName: group\n");
    put_sid("objectSid", "2001");
    end_entry();
    check(open_ldif(), certificate_with(&given), ALL, APR_NOTFOUND, "is neither user, computer");
}

static void the_token_is_the_same_as_by_name(void **state)
{
    const struct given given = {SID_OF("1104"), NULL, NULL};
    struct cep_directory *directory;
    struct cep_caller *by_name, *by_certificate;
    const char *error;
    int i;

    (void)state;
    start_ldif();
    put_ntauth(ca.der);
    put_accounts();
    directory = open_ldif();
    assert_int_equal(cep_caller_find(&by_name, directory, &config, "alice", SECOND, pool, &error),
                     0);
    assert_int_equal(cep_caller_find_certificate(&by_certificate, directory, &config,
                                                 read_certificate(certificate_with(&given)),
                                                 CEP_MAP_DEFAULT, SECOND, pool, &error),
                     0);
    assert_string_equal(by_name->dn, by_certificate->dn);
    assert_int_equal(by_name->token.count, by_certificate->token.count);
    for (i = 0; i < by_name->token.count; i++)
        assert_int_equal(cep_sid_compare(&by_name->token.sids[i], &by_certificate->token.sids[i]),
                         0);
}

static void the_label_says_which_certificate(void **state)
{
    const struct blueprint plan = {.subject = "al\nice\xc3\xa9", .serial = "0A0B"};

    (void)state;
    assert_string_equal(read_certificate(issue(pool, &ca, owner_key, &plan))->label,
                        "/CN=al\\x0Aice\\xC3\\xA9 (serial number 0a0b)");
}

/* --- certificates of real CAs --- */

/* A domain controller's certificate, as a CA of Windows Server 2019 issued it. */
static void a_certificate_of_windows_is_read(void **state)
{
    static const char name[] = "data/certs/livediff_DC1_DomainController.der";
    const char *path = apr_pstrcat(pool, shared_directory(name, pool), "/", name, NULL);
    struct cep_certificate *certificate = read_certificate(read_file(path, pool));
    char text[CEP_SID_TEXT_MAX];

    (void)state;
    assert_true(certificate->has_sid);
    assert_string_equal(cep_sid_format(&certificate->sid, text),
                        "S-1-5-21-1047456448-2337630968-2720937775-1000");
    assert_string_equal(certificate->dns_name, "DC1.dom.local");
    assert_int_equal(certificate->dns_count, 1);
    assert_null(certificate->upn);
    assert_non_null(
        strstr(certificate->altsecids[0], "X509:<I>DC=local,DC=dom,CN=dom-ADCS-CA<SR>"));
}

static int make_authorities(void **state)
{
    int failed = make_pool(state);

    make_authority(pool, &ca, "Test CA");
    make_authority(pool, &two, "Other CA");
    owner_key = make_key();
    return failed;
}

static int drop_authorities(void **state)
{
    free_authority(&ca);
    free_authority(&two);
    EVP_PKEY_free(owner_key);
    return drop_pool(state);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_authorities, drop_authorities)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mappings_find_one_account_or_nobody),
        TEST(strong_forms_of_altsecid_find_the_account),
        TEST(the_thumbprint_is_a_strong_form),
        TEST(one_value_of_two_accounts_is_nobody),
        TEST(sid_and_altsecid_must_agree),
        TEST(issuers_are_written_as_windows_does),
        TEST(what_can_be_read_in_two_ways_is_refused),
        TEST(lengths_are_limited),
        TEST(whole_certificates_are_limited),
        TEST(certificates_must_be_valid_and_for_clients),
        TEST(the_issuer_must_be_in_ntauth),
        TEST(the_issuers_issuer_does_not_count),
        TEST(signatures_are_verified),
        TEST(a_forest_without_trusted_cas_is_an_error),
        TEST(accounts_are_checked_as_for_names),
        TEST(what_is_no_account_is_nobody),
        TEST(the_token_is_the_same_as_by_name),
        TEST(the_label_says_which_certificate),
        TEST(a_certificate_of_windows_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
