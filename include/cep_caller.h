/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * From what httpd authenticated to the SIDs that stand for the caller, or to nobody: from the name
 * to exactly one account of the directory; from a Kerberos ticket without asking anybody.

 * From the name or the TLS client certificate that httpd authenticated to exactly one account of
 * the directory and the SIDs that stand for it, or to nobody.
 */
#ifndef CEP_CALLER_H
#define CEP_CALLER_H

#include "cep_access.h"
#include "cep_directory.h"

struct cep_caller {
    const char *dn;      /* "" where the SIDs are a ticket's */
    const char *account; /* sAMAccountName; the principal where the SIDs are a ticket's */
    struct cep_sid sid;  /* his own, which stays when his groups change; length 0: he has none */
    struct cep_token token;
};

/* Longest name that is looked up, in octets. */
#define CEP_CALLER_MAX_NAME 512
/* Groups one caller may be in, where the directory has to be walked; the token holds more SIDs
 * than these: the account's own, well-known ones, sIDHistory. */
#define CEP_CALLER_MAX_GROUPS 8000

/* How a name reads: which parts it has. Strings are never NULL; "" when absent. */
struct cep_name {
    const char *account; /* "alice", "WS01$" */
    const char *realm;   /* of user@realm */
    const char *domain;  /* of DOMAIN\user */
    int is_service;      /* account is a Kerberos service, "host/ws01.corp.example" */
};

/* Split user@realm, DOMAIN\user or a bare name. Returns NULL, or why it is no name. */
const char *cep_name_parse(struct cep_name *name, const char *user, apr_pool_t *pool);

/*
 * Find the account that user names. userPrincipalName decides for user@realm, then sAMAccountName
 * where realm is one that the directory serves (its DNS name, or CEPRealm); sAMAccountName for
 * DOMAIN\user (the directory's NetBIOS or DNS name, or CEPRealm) and for bare names. A service
 * principal (host/ws01.corp.example) is sought by servicePrincipalName instead of sAMAccountName.
 * Where userPrincipalName and sAMAccountName name different accounts, nobody is meant.
 * SIDs: objectSid and tokenGroups; a source that is no AD and has no tokenGroups is walked by
 * memberOf, member and primaryGroupID to the end, cycles included; then the well-known SIDs
 * S-1-1-0, S-1-5-11, S-1-5-2, S-1-5-15 and, for a domain controller, S-1-5-9.
 *
 * APR_SUCCESS: *caller in pool. APR_NOTFOUND: nobody, and *error says why for the log (unknown,
 * more than one, disabled, expired, locked, realm not served): the client must not learn which.
 * Else the directory could not tell, and *error says so: never a smaller token.
 */
apr_status_t cep_caller_find(struct cep_caller **caller, struct cep_directory *directory,
                             const struct cep_directory_config *config, const char *user,
                             apr_interval_time_t limit, apr_pool_t *pool, const char **error);

/* Somebody of whom no more is known than this name, without any right. In pool. */
struct cep_caller *cep_caller_without_account(const char *name, apr_pool_t *pool);

/*
 * A number below shares that is this caller's on every machine, by his own SID, else by his name:
 * callers who are to do something at different times.
 */
apr_uint32_t cep_caller_share(const struct cep_caller *caller, apr_uint32_t shares);

/* What was found for a name, to be kept: a caller, or nobody and why. */
struct cep_caller_record {
    struct cep_caller *caller; /* NULL: nobody */
    const char *reason;        /* without a caller */
    apr_time_t found_at;       /* whole seconds */
};

/* The record as octets, in pool. directory and user: who was asked, and about whom. 0: no digest.
 */
int cep_caller_pack(struct cep_value *octets, const struct cep_caller_record *record,
                    const char *directory, const char *user, apr_pool_t *pool);

/*
 * Read a record back: 1 only when it is whole, of this version, and about just this directory and
 * user; what a cache hands out is never trusted.
 */
int cep_caller_unpack(struct cep_caller_record *record, const void *octets, apr_size_t length,
                      const char *directory, const char *user, apr_pool_t *pool);
/* Longest list of name attributes that is read, in octets. Windows' tickets end at 64 KiB. */
#define CEP_NAME_ATTRIBUTES_MAX (1024 * 1024)

/* The attribute that MIT Kerberos makes of a PAC's buffer 1, [MS-PAC] 2.4. */
#define CEP_PAC_LOGON_INFO "urn:mspac:logon-info"

/*
 * The value of one attribute from GSS_NAME_ATTRS_JSON of mod_auth_gssapi; name is GSS_NAME, and
 * the list must be about it. Returns NULL, with value->data NULL when there is no such attribute;
 * else why the list, or the attribute, must not be used: what is not marked authenticated and
 * complete, has several values, or cannot be read. A static sentence, "its" being the ticket's.
 */
const char *cep_name_attribute_find(struct cep_value *value, const char *name, const char *json,
                                    const char *attribute, apr_pool_t *pool);

/*
 * Append the SIDs of logon information, [MS-PAC] 2.5 as [MS-RPCE] 2.2.6 serializes it: the account,
 * its primary group, groups, extra SIDs, resource groups; then the well-known ones as above, but
 * S-1-5-9 only where the PAC has it, and S-1-5-15 not where it has S-1-5-1000. At most
 * CEP_TOKEN_MAX_SIDS. Returns NULL, or why it must not be used (a static sentence); sids is then
 * of no use. Whoever calls must know that the PAC's signature is good.
 */
const char *cep_pac_sids(apr_array_header_t *sids, const void *data, apr_size_t length);

/*
 * The caller of a Kerberos ticket, by what mod_auth_gssapi hands on: name is GSS_NAME, json is
 * GSS_NAME_ATTRS_JSON. No directory is asked; whether the account may be used, the KDC decided.
 *
 * APR_SUCCESS: *caller in pool. APR_NOTFOUND: the ticket has no PAC, and *error is NULL.
 * APR_EINVAL: it has one that must not be used, and *error says why: never a smaller token.
 */
apr_status_t cep_caller_from_ticket(struct cep_caller **caller, const char *name, const char *json,
                                    apr_pool_t *pool, const char **error);

/* ---- callers with a certificate ---- */

/* Longest certificate that is looked at, in octets of DER. */
#define CEP_CERTIFICATE_MAX 65536
/* Most strings in altSecurityIdentities that one certificate may be named by. */
#define CEP_CERTIFICATE_MAX_ALTSECIDS 5

/* Ways from a certificate to an account (CEPCertificateMapping), any of them added up. */
enum {
    CEP_MAP_SID = 1,      /* SID extension, [MS-WCCE] 2.2.2.7.7.4 */
    CEP_MAP_ALTSECID = 2, /* altSecurityIdentities in its strong forms, [MS-PKCA] 3.1.5.2.1.5 */
    CEP_MAP_UPN = 4,      /* weak: userPrincipalName, [MS-PKCA] 3.1.5.2.1.2 */
    CEP_MAP_DNS = 8,      /* weak: a computer's DNS name, [MS-PKCA] 3.1.5.2.1.1 */
    CEP_MAP_RENEWAL = 16  /* no way, but what it is for: see cep_caller_find_certificate() */
};
#define CEP_MAP_DEFAULT (CEP_MAP_SID | CEP_MAP_ALTSECID)

struct x509_st; /* OpenSSL's X509 */

/* What a certificate says of its owner. Strings are UTF-8 without control characters, but label. */
struct cep_certificate {
    struct x509_st *x509; /* freed with the pool */
    const char *label;    /* subject and serial number, for the log */
    int has_sid;
    struct cep_sid sid;
    const char *altsecids[CEP_CERTIFICATE_MAX_ALTSECIDS]; /* strong forms that would name it */
    int altsecid_count;
    const char *upn;      /* or NULL */
    const char *dns_name; /* the first dNSName, or NULL */
    int dns_count;
};

/*
 * Read a certificate in DER. Returns NULL, or why it names nobody: broken, too long, an extension
 * that must be understood and cannot be, or one that says two things (several SIDs, several UPNs).
 * Says nothing about who issued it and whether it is valid: cep_caller_find_certificate() does.
 */
const char *cep_certificate_read(struct cep_certificate **certificate, const void *der,
                                 size_t length, apr_pool_t *pool);

/*
 * NULL when the certificate is valid now, is fit for client authentication, and is signed by one of
 * the CA certificates (struct cep_value, DER) that are valid now; else why not (a static sentence).
 */
const char *cep_certificate_check_issued(const struct cep_certificate *certificate,
                                         const apr_array_header_t *cas, apr_time_t now);

/* 1 when now lies within the certificate's validity. */
int cep_certificate_is_valid(const struct cep_certificate *certificate, apr_time_t now);

/* SHA-256 of the certificate in hex, in pool; NULL when the library fails. */
const char *cep_certificate_fingerprint(const struct cep_certificate *certificate,
                                        apr_pool_t *pool);

/*
 * Find the account that a certificate stands for. That its owner holds the key, and that its chain
 * is good, the TLS library has verified. Here it must moreover be valid now, be fit for client
 * authentication, and be signed by a CA in the forest's NTAuthCertificates object ([MS-WCCE]
 * 2.2.2.11.3). mappings: CEP_MAP_*; each that applies is looked up, and all that find an account
 * must find the same. The SID extension must not contradict a weak mapping. The account is then
 * checked, and its SIDs are found, as for names.
 *
 * Returns as cep_caller_find(). A forest without trusted CAs is an error, not nobody.
 *
 * With CEP_MAP_RENEWAL rights do not matter, only whether somebody is shut out: the caller found
 * has an empty token. The issuer is not looked at, for cep_certificate_check_issued() has; and a
 * certificate that no account has is its owner's, as long as it names no SID: sid.length is 0 then.
 */
apr_status_t cep_caller_find_certificate(struct cep_caller **caller,
                                         struct cep_directory *directory,
                                         const struct cep_directory_config *config,
                                         const struct cep_certificate *certificate,
                                         unsigned mappings, apr_interval_time_t limit,
                                         apr_pool_t *pool, const char **error);

#endif
