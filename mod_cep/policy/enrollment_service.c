/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* A pKIEnrollmentService entry, a CA, to a struct cep_enrollment_service: [MS-WCCE] 2.2.2.11.2. */
#include "parts.h"

#include <string.h>

const char *const cep_enrollment_service_attributes[] = {
    "objectClass",
    "cn",
    "displayName",
    "flags",
    "nTSecurityDescriptor",
    "cACertificate",
    "certificateTemplates",
    "msPKI-Enrollment-Servers",
    NULL,
};

static const struct cep_reader_codes codes = {
    .no_name = "CEP0341",
    .characters = "CEP0342",
    .limit = "CEP0343",
    .several = "CEP0344",
    .number = "CEP0345",
    .no_descriptor = "CEP0355",
    .display_name = "CEP0356",
    .twice = "CEP0360",
};

void cep_policy_add_service(struct cep_policy *policy, const struct cep_entry *entry)
{
    struct cep_reader *reader = cep_reader_open(policy, entry, CEP_OBJECT_CA, &codes);
    struct cep_enrollment_service *service = apr_pcalloc(policy->pool, sizeof(*service));

    service->dn =
        cep_text_printable(policy->pool, entry->dn, strlen(entry->dn), CEP_POLICY_MAX_TEXT);
    service->cn = cep_reader_cn(reader);
    if (cep_reader_flags(reader, "flags") & CEP_CA_NO_TEMPLATE_SUPPORT) {
        cep_reader_fail(reader, "CEP0346",
                        "The CA says in its flags that it does not support templates. A standalone "
                        "CA cannot be offered; nothing needs to be done.");
    } else if (service->cn) {
        service->display_name = cep_reader_display_name(reader, service->cn);
        service->certificates = apr_array_make(policy->pool, 2, sizeof(struct cep_value));
        service->certificate = cep_service_certificate(reader, service->certificates);
        service->uris = cep_service_uris(reader, service->cn);
        service->templates =
            cep_reader_names(reader, "certificateTemplates", CEP_POLICY_MAX_TEMPLATES, "CEP0357");
        service->security_descriptor = cep_reader_descriptor(reader);
    }
    if (!reader->failed)
        APR_ARRAY_PUSH(policy->services, struct cep_enrollment_service *) = service;
    cep_reader_close(reader);
}
