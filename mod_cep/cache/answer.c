/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/* From a snapshot and a selection to the body of an answer. */

#include <string.h>

#include "image.h"

/* Where the answer is written; with data NULL only its length is counted. */
struct output {
    unsigned char *data;
    apr_size_t length;
};

static void put(struct output *out, const void *data, apr_size_t length)
{
    if (out->data)
        memcpy(out->data + out->length, data, length);
    out->length += length;
}

static void put_ref(struct output *out, const struct cep_snapshot *snapshot, struct image_ref ref)
{
    put(out, image_at(snapshot, ref), ref.count);
}

static void put_piece(struct output *out, enum cep_xcep_piece piece)
{
    struct cep_value value = cep_xcep_piece(piece);

    put(out, value.data, value.len);
}

static void put_fragment(struct output *out, const struct cep_snapshot *snapshot,
                         struct image_fragment fragment, unsigned char marks)
{
    put_ref(out, snapshot, fragment.head);
    if (marks & CEP_PERMITTED)
        put(out, "true", 4);
    else
        put(out, "false", 5);
    put_ref(out, snapshot, fragment.tail);
}

static void put_policies(struct output *out, const struct cep_snapshot *s,
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

static void put_cas(struct output *out, const struct cep_snapshot *s,
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

/* The name in the client's language where the directory has it, else the default name. */
static struct image_ref choose_name(const struct cep_snapshot *s, const struct image_oid *oid,
                                    const char *language)
{
    const struct image_name *names = image_at(s, oid->names);
    enum cep_language_match best = CEP_LANGUAGE_OTHER;
    struct image_ref name = oid->name;

    for (uint32_t i = 0; language && i < oid->names.count; i++) {
        enum cep_language_match match = cep_language_match(language, names[i].lcid);

        if (match > best) {
            best = match;
            name = names[i].name;
        }
    }
    return name;
}

static void put_oids(struct output *out, const struct cep_snapshot *s,
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
        put_ref(out, s, choose_name(s, &s->oids[i], language));
        put_ref(out, s, s->oids[i].oid.tail);
    }
    put_piece(out, CEP_PIECE_OIDS_CLOSE);
}

struct cep_value cep_snapshot_answer(const struct cep_snapshot *snapshot,
                                     const struct cep_selection *selection,
                                     const struct cep_instance *instance, const char *relates_to,
                                     const char *language, apr_pool_t *pool)
{
    const char *head = cep_xcep_render_head(instance, relates_to, 0, pool);
    struct output out = {NULL, 0};
    struct cep_value body;

    /* Twice the same walk: once to learn the length, once to write into one block of it. */
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            out.data = apr_palloc(pool, out.length + 1);
        out.length = 0;
        put(&out, head, strlen(head));
        put_policies(&out, snapshot, selection);
        put_cas(&out, snapshot, selection);
        put_oids(&out, snapshot, selection, language);
        put_piece(&out, CEP_PIECE_END);
    }
    out.data[out.length] = '\0';
    body.data = out.data;
    body.len = out.length;
    return body;
}
