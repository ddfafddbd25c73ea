/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* The three containers of a forest's public key services: [MS-WCCE] 2.2.2.11. */

#include "run.h"

#include <apr_strings.h>

const struct cep_container cep_containers[CEP_CONTAINERS] = {
    {"CN=Certificate Templates,", "pKICertificateTemplate", cep_template_attributes,
     cep_policy_add_template, 1, "certificate templates"},
    {"CN=Enrollment Services,", "pKIEnrollmentService", cep_enrollment_service_attributes,
     cep_policy_add_service, 1, "certification authorities"},
    {"CN=OID,", "msPKI-Enterprise-Oid", cep_enterprise_oid_attributes, cep_policy_add_oid, 0,
     "names of object identifiers"},
};

const char *cep_container_base(const struct cep_container *container,
                               const struct cep_directory_identity *identity, apr_pool_t *pool)
{
    return apr_pstrcat(pool, container->rdn, "CN=Public Key Services,CN=Services,",
                       identity->configuration_dn, NULL);
}
