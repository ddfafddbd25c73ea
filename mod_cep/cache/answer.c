/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* From a selection to the body of an answer, and to the class of callers that share it. */

#include "answer.h"
#include "cep_digest.h"

#include <string.h>

#include <openssl/evp.h>

#include "image.h"

static void put(struct cep_answer_sink *out, const void *data, apr_size_t length)
{
    if (out->status == APR_SUCCESS)
        out->status = out->write(out->baton, data, length);
}

static void put_ref(struct cep_answer_sink *out, const struct cep_snapshot *snapshot,
                    struct image_ref ref)
{
    put(out, image_at(snapshot, ref), ref.count);
}

static void put_piece(struct cep_answer_sink *out, enum cep_xcep_piece piece)
{
    struct cep_value value = cep_xcep_piece(piece);

    put(out, value.data, value.len);
}

static void put_fragment(struct cep_answer_sink *out, const struct cep_snapshot *snapshot,
                         struct image_fragment fragment, unsigned char marks)
{
    put_ref(out, snapshot, fragment.head);
    if (marks & CEP_PERMITTED)
        put(out, "true", 4);
    else
        put(out, "false", 5);
    put_ref(out, snapshot, fragment.tail);
}

static void put_policies(struct cep_answer_sink *out, const struct cep_snapshot *s,
                         const struct cep_selection *selection)
{
    if (selection->policy_count == 0) {
        put_piece(out, CEP_PIECE_POLICIES_NIL);
        return;
    }
    put_piece(out, CEP_PIECE_POLICIES_OPEN);
    for (uint32_t i = 0; i < s->header->templates.count; i++) {
        if (selection->policies[i])
            put_fragment(out, s, image_policy(&s->templates[i], selection->renewal),
                         selection->policies[i]);
    }
    put_piece(out, CEP_PIECE_POLICIES_CLOSE);
}

static void put_cas(struct cep_answer_sink *out, const struct cep_snapshot *s,
                    const struct cep_selection *selection)
{
    if (selection->ca_count == 0) {
        put_piece(out, CEP_PIECE_CAS_NIL);
        return;
    }
    put_piece(out, CEP_PIECE_CAS_OPEN);
    for (uint32_t i = 0; i < s->header->cas.count; i++) {
        if (selection->cas[i])
            put_fragment(out, s, image_ca_text(&s->cas[i], selection->renewal), selection->cas[i]);
    }
    put_piece(out, CEP_PIECE_CAS_CLOSE);
}

/* Where an OID has no name in the language. */
#define DEFAULT_NAME UINT32_MAX

/* Which of an OID's names the client's language asks for. */
static uint32_t choose_name(const struct cep_snapshot *s, const struct image_oid *oid,
                            const char *language)
{
    const struct image_name *names = image_at(s, oid->names);
    enum cep_language_match best = CEP_LANGUAGE_OTHER;
    uint32_t choice = DEFAULT_NAME;

    for (uint32_t i = 0; language && i < oid->names.count; i++) {
        enum cep_language_match match = cep_language_match(language, names[i].lcid);

        if (match > best) {
            best = match;
            choice = i;
        }
    }
    return choice;
}

static void put_name(struct cep_answer_sink *out, const struct cep_snapshot *s,
                     const struct image_oid *oid, const char *language)
{
    const struct image_name *names = image_at(s, oid->names);
    uint32_t choice = choose_name(s, oid, language);

    put_ref(out, s, choice == DEFAULT_NAME ? oid->name : names[choice].name);
}

static void put_oids(struct cep_answer_sink *out, const struct cep_snapshot *s,
                     const struct cep_selection *selection, const char *language)
{
    if (selection->oid_count == 0) {
        put_piece(out, CEP_PIECE_OIDS_NIL);
        return;
    }
    put_piece(out, CEP_PIECE_OIDS_OPEN);
    for (uint32_t i = 0; i < s->header->oids.count; i++) {
        if (!selection->oids[i])
            continue;
        put_ref(out, s, s->oids[i].oid.head);
        put_name(out, s, &s->oids[i], language);
        put_ref(out, s, s->oids[i].oid.tail);
    }
    put_piece(out, CEP_PIECE_OIDS_CLOSE);
}

void cep_answer_render(struct cep_answer_sink *sink, const struct cep_snapshot *snapshot,
                       const struct cep_selection *selection, const char *language)
{
    sink->status = APR_SUCCESS;
    put_policies(sink, snapshot, selection);
    put_cas(sink, snapshot, selection);
    put_oids(sink, snapshot, selection, language);
    put_piece(sink, CEP_PIECE_END);
}

/* Clients write languages in many ways; what counts is which names they get. */
static int digest_names(EVP_MD_CTX *md, const struct cep_snapshot *s,
                        const struct cep_selection *selection, const char *language)
{
    int good = 1;

    for (uint32_t i = 0; good && i < s->header->oids.count; i++) {
        uint32_t choice[2] = {i, 0};

        if (!selection->oids[i])
            continue;
        choice[1] = choose_name(s, &s->oids[i], language);
        if (choice[1] != DEFAULT_NAME)
            good = EVP_DigestUpdate(md, choice, sizeof(choice));
    }
    return good;
}

/* The OIDs of an answer follow from its policies. The key stays on this machine. */
int cep_answer_classify(struct cep_answer_class *answer_class, const struct cep_snapshot *snapshot,
                        const struct cep_selection *selection, const char *language)
{
    static const char *const purposes[] = {"mod_cep answer 1", "mod_cep renewal answer 1"};
    const char *purpose = purposes[selection->renewal != 0];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int good = md && EVP_DigestInit_ex(md, cep_sha256(), NULL) &&
               EVP_DigestUpdate(md, purpose, strlen(purpose) + 1) &&
               EVP_DigestUpdate(md, cep_snapshot_digest(snapshot), CEP_DIGEST_LENGTH) &&
               EVP_DigestUpdate(md, selection->policies, snapshot->header->templates.count) &&
               EVP_DigestUpdate(md, selection->cas, snapshot->header->cas.count) &&
               (!language || digest_names(md, snapshot, selection, language)) &&
               EVP_DigestFinal_ex(md, answer_class->key, NULL);

    EVP_MD_CTX_free(md);
    return good;
}
