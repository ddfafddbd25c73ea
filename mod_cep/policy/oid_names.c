/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* Names of OIDs that the forest has no object for. */
#include "parts.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>

struct name {
    enum cep_oid_group group;
    const char *value;
    const char *name;
};

/*
 * As Windows says them in English ("certutil -oid"), for the OIDs of wincrypt.h. [MS-XCEP] 4.1.1.2
 * and an answer of a Windows server show some of them: the names of extensions, "Client
 * Authentication", "Server Authentication". The others are what the field commonly calls them. A
 * name is a label for people: nothing is decided by it. To add one, add a line.
 */
static const struct name names[] = {
    {CEP_OID_HASH, "1.2.840.113549.2.2", "md2"},
    {CEP_OID_HASH, "1.2.840.113549.2.4", "md4"},
    {CEP_OID_HASH, "1.2.840.113549.2.5", "md5"},
    {CEP_OID_HASH, "1.3.14.3.2.26", "sha1"},
    {CEP_OID_HASH, "2.16.840.1.101.3.4.2.1", "sha256"},
    {CEP_OID_HASH, "2.16.840.1.101.3.4.2.2", "sha384"},
    {CEP_OID_HASH, "2.16.840.1.101.3.4.2.3", "sha512"},

    {CEP_OID_ENCRYPTION, "1.2.840.113549.3.2", "rc2"},
    {CEP_OID_ENCRYPTION, "1.2.840.113549.3.7", "3des"},
    {CEP_OID_ENCRYPTION, "1.3.14.3.2.7", "des"},
    {CEP_OID_ENCRYPTION, "2.16.840.1.101.3.4.1.2", "aes128"},
    {CEP_OID_ENCRYPTION, "2.16.840.1.101.3.4.1.22", "aes192"},
    {CEP_OID_ENCRYPTION, "2.16.840.1.101.3.4.1.42", "aes256"},

    {CEP_OID_EXTENSION, "1.3.6.1.4.1.311.20.2", "Certificate Template Name"},
    {CEP_OID_EXTENSION, "1.3.6.1.4.1.311.21.10", "Application Policies"},
    {CEP_OID_EXTENSION, "1.3.6.1.4.1.311.21.7", "Certificate Template Information"},
    {CEP_OID_EXTENSION, "1.3.6.1.5.5.7.48.1.5", "OCSP No Revocation Checking"},
    {CEP_OID_EXTENSION, "2.5.29.15", "Key Usage"},
    {CEP_OID_EXTENSION, "2.5.29.19", "Basic Constraints"},
    {CEP_OID_EXTENSION, "2.5.29.32", "Certificate Policies"},
    {CEP_OID_EXTENSION, "2.5.29.37", "Enhanced Key Usage"},

    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.12.1", "Any Application Policy"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.1", "Microsoft Trust List Signing"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.10", "Qualified Subordination"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.11", "Key Recovery"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.12", "Document Signing"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.13", "Lifetime Signing"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.19", "Revoked List Signer"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.2", "Microsoft Time Stamping"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.20", "Windows Kits Component"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.21", "Windows RT Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.22", "Protected Process Light Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.23", "Windows TCB Component"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.24", "Protected Process Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.25", "Windows Third Party Application Component"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.26", "Windows Software Extension Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.27", "Preview Build Signing"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.30", "Disallowed List"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.39", "Windows Hardware Driver Extended Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.4", "Encrypting File System"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.4.1", "File Recovery"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.5", "Windows Hardware Driver Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.6", "Windows System Component Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.7", "OEM Windows System Component Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.8", "Embedded Windows System Component Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.3.9", "Root List Signer"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.5.1", "Digital Rights"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.6.1", "Key Pack Licenses"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.10.6.2", "License Server Verification"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.20.1", "CTL Usage"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.20.2.1", "Certificate Request Agent"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.20.2.2", "Smart Card Logon"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.21.19", "Directory Service Email Replication"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.21.5", "Private Key Archival"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.21.6", "Key Recovery Agent"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.47.1.1", "System Health Authentication"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.54.1.2", "Remote Desktop Authentication"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.61.1.1", "Kernel Mode Code Signing"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.61.4.1", "Early Launch Antimalware Driver"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.61.5.1", "HAL Extension"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.64.1.1", "Domain Name System (DNS) Server Trust"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.67.1.1", "BitLocker Drive Encryption"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.67.1.2", "BitLocker Data Recovery Agent"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.76.3.1", "Windows Store"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.76.5.1", "Dynamic Code Generator"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.76.6.1", "Windows Update"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.76.8.1", "Microsoft Publisher"},
    {CEP_OID_EKU, "1.3.6.1.4.1.311.80.1", "Document Encryption"},
    {CEP_OID_EKU, "1.3.6.1.5.2.3.5", "KDC Authentication"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.1", "Server Authentication"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.2", "Client Authentication"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.3", "Code Signing"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.4", "Secure Email"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.5", "IP security end system"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.6", "IP security tunnel termination"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.7", "IP security user"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.8", "Time Stamping"},
    {CEP_OID_EKU, "1.3.6.1.5.5.7.3.9", "OCSP Signing"},
    {CEP_OID_EKU, "1.3.6.1.5.5.8.2.2", "IP security IKE intermediate"},
    {CEP_OID_EKU, "2.23.133.8.1", "Endorsement Key Certificate"},
    {CEP_OID_EKU, "2.23.133.8.2", "Platform Certificate"},
    {CEP_OID_EKU, "2.23.133.8.3", "Attestation Identity Key Certificate"},
    {CEP_OID_EKU, "2.5.29.37.0", "Any Purpose"},

    {CEP_OID_POLICY, "1.3.6.1.4.1.311.21.30", "Endorsement Key"},
    {CEP_OID_POLICY, "1.3.6.1.4.1.311.21.31", "Endorsement Certificate"},
    {CEP_OID_POLICY, "1.3.6.1.4.1.311.21.32", "User Credentials"},
    {CEP_OID_POLICY, "2.5.29.32.0", "All issuance policies"},
};

/* OpenSSL's long name, which lives as long as the process, or NULL. */
static const char *openssl_name(const char *value)
{
    ASN1_OBJECT *object;
    int nid = NID_undef;

    ERR_set_mark();
    object = OBJ_txt2obj(value, 1);
    if (object)
        nid = OBJ_obj2nid(object);
    ASN1_OBJECT_free(object);
    ERR_pop_to_mark();
    return nid != NID_undef ? OBJ_nid2ln(nid) : NULL;
}

/* Each OID of a directory is asked for once in a run, so the table needs no index. */
const char *cep_oid_name(const char *value, enum cep_oid_group group)
{
    const char *name;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].group == group && strcmp(names[i].value, value) == 0)
            return names[i].name;
    }
    name = openssl_name(value);
    return name && *name != '\0' ? name : value;
}
