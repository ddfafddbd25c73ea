/* Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0 */

/*
 * The ACEs of a self-relative security descriptor, one after the other, without a copy. Whoever
 * walks must walk to the end: a later ACE that does not fit makes the whole descriptor unreadable.
 */
#ifndef CEP_ACCESS_DESCRIPTOR_H
#define CEP_ACCESS_DESCRIPTOR_H

#include <stddef.h>
#include <stdint.h>

/* ACE types that decide about access: [MS-DTYP] 2.4.4.1. */
enum {
    CEP_ACE_ALLOWED = 0x00,
    CEP_ACE_DENIED = 0x01,
    CEP_ACE_ALLOWED_OBJECT = 0x05,
    CEP_ACE_DENIED_OBJECT = 0x06,
    CEP_ACE_ALLOWED_CALLBACK = 0x09,
    CEP_ACE_DENIED_CALLBACK = 0x0A,
    CEP_ACE_ALLOWED_CALLBACK_OBJECT = 0x0B,
    CEP_ACE_DENIED_CALLBACK_OBJECT = 0x0C
};

enum { CEP_ACE_INHERIT_ONLY = 0x08 };

/* Pointers go into the descriptor. */
struct cep_ace {
    unsigned char type;
    unsigned char flags;
    uint32_t mask;
    const unsigned char *object_type; /* 16 octets, or NULL when the ACE has none */
    const unsigned char *sid;         /* NULL: of a type whose layout is unknown; to be skipped */
    size_t sid_length;
};

/* What is left of an ACL. */
struct cep_ace_walk {
    const unsigned char *next;
    size_t left;    /* octets */
    unsigned count; /* ACEs */
};

/* Check everything but the DACL's ACEs, and stand before the first. NULL, or what is wrong. */
const char *cep_dacl_begin(struct cep_ace_walk *walk, const void *sd, size_t length);

/* 1: the next ACE is in *ace; 0: there are no more; -1: it does not fit, and *problem says so. */
int cep_dacl_next(struct cep_ace_walk *walk, struct cep_ace *ace, const char **problem);

#endif
