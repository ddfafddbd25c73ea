/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * A directory for the tests of caller/: an LDIF file, written entry by entry between start_ldif()
 * and open_ldif(), of the domain corp.example, which is also CORP and serves OTHER.REALM.
 */
#ifndef CEP_TEST_LDIF_DIRECTORY_H
#define CEP_TEST_LDIF_DIRECTORY_H

#include <apr_base64.h>

#include "cep_caller.h"
#include "files.h"
#include "pool.h"

#define BASE   "DC=corp,DC=example"
#define DOMAIN "S-1-5-21-1004336348-1177238915-682003330"
#define SECOND apr_time_from_sec(1)

static FILE *ldif;
static const char *ldif_path;
static struct cep_directory_config config;

static void start_ldif(void)
{
    ldif_path = scratch_file(pool);
    ldif = fopen(ldif_path, "w");
    assert_non_null(ldif);
    fprintf(ldif, "dn: " BASE "\nobjectClass: domainDNS\ndc: corp\n\n"
                  "dn: CN=Configuration," BASE "\nobjectClass: configuration\ncn: Configuration\n\n"
                  "dn: CN=Partitions,CN=Configuration," BASE "\nobjectClass: crossRefContainer\n\n"
                  "dn: CN=CORP,CN=Partitions,CN=Configuration," BASE "\nobjectClass: crossRef\n"
                  "nCName: " BASE "\nnETBIOSName: CORP\n\n"
                  "dn: CN=Services,CN=Configuration," BASE "\nobjectClass: container\n\n"
                  "dn: CN=Public Key Services,CN=Services,CN=Configuration," BASE
                  "\nobjectClass: container\n\n");
}

/* "attribute:: base64" */
static void put_octets(const char *attribute, struct cep_value value)
{
    char *encoded = apr_palloc(pool, (apr_size_t)apr_base64_encode_len((int)value.len));

    apr_base64_encode_binary(encoded, value.data, (int)value.len);
    fprintf(ldif, "%s:: %s\n", attribute, encoded);
}

/* text is a whole SID, or a RID of the domain. */
static void put_sid(const char *attribute, const char *text)
{
    struct cep_sid sid;

    if (text[0] != 'S')
        text = apr_psprintf(pool, DOMAIN "-%s", text);
    assert_int_equal(cep_sid_parse(&sid, text), 1);
    put_octets(attribute, (struct cep_value){sid.octets, sid.length});
}

static void end_entry(void)
{
    fprintf(ldif, "\n");
}

static struct cep_directory *open_ldif(void)
{
    struct cep_directory *directory;
    const char *error = "";

    assert_int_equal(fclose(ldif), 0);
    memset(&config, 0, sizeof(config));
    config.name = "test";
    config.urls = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(config.urls, const char *) = apr_pstrcat(pool, "file:", ldif_path, NULL);
    config.timeout = 5 * SECOND;
    config.realms = apr_array_make(pool, 1, sizeof(const char *));
    APR_ARRAY_PUSH(config.realms, const char *) = "OTHER.REALM";
    if (cep_directory_open(&directory, &config, NULL, pool, &error) != APR_SUCCESS)
        fail_msg("%s", error);
    return directory;
}

#endif
