#include "config/yaml_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/text_file.h"
#include "util/buf.h"
#include "util/mem.h"

struct yaml_file {
    yaml_document_t document;
};

/* Overwrites with blanks up to `end`, keeping the lines. */
static char *blank(char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p != '\n' && *p != '\r')
            *p = ' ';
    }
    return p;
}

static void blank_comments(char *text)
{
    for (char *p = text; *p;) {
        if (*p == '"') {
            for (p++; *p && *p != '"'; p++)
                p += p[0] == '\\' && p[1];
            p += *p == '"';
        } else if (p[0] == '/' && p[1] == '/') {
            p = blank(p, p + strcspn(p, "\n"));
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            p = blank(p, end ? end + 2 : p + strlen(p));
        } else {
            p++;
        }
    }
}

/* JSON may be indented with tabs, which YAML does not take everywhere; outside strings they are as
 * good as blanks. */
static void blank_tabs(char *text)
{
    bool is_in_string = false;
    for (char *p = text; *p; p++) {
        if (is_in_string && p[0] == '\\' && p[1])
            p++;
        else if (*p == '"')
            is_in_string = !is_in_string;
        else if (*p == '\t' && !is_in_string)
            *p = ' ';
    }
}

/* A code unit of UTF-16 as JSON escapes it, between `first` and `last`; 0 for anything else. */
static uint32_t escaped_unit(const char *p, uint32_t first, uint32_t last)
{
    uint32_t unit = 0;
    if (p[0] != '\\' || p[1] != 'u')
        return 0;
    for (size_t i = 2; i < 6; i++) {
        if (!isxdigit((unsigned char)p[i]))
            return 0;
        int letter = tolower((unsigned char)p[i]);
        unit = unit << 4 | (uint32_t)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
    }
    return unit >= first && unit <= last ? unit : 0;
}

/* JSON escapes a character beyond U+FFFF as two surrogates, which YAML does not know; such a pair
 * becomes the character itself. Gives the new length. */
static size_t join_surrogates(char *text)
{
    char *out = text;
    for (const char *p = text; *p;) {
        uint32_t high = escaped_unit(p, 0xD800, 0xDBFF);
        uint32_t low = high ? escaped_unit(p + 6, 0xDC00, 0xDFFF) : 0;
        if (low) {
            uint32_t cp = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            *out++ = (char)(0xF0 | cp >> 18);
            *out++ = (char)(0x80 | (cp >> 12 & 0x3F));
            *out++ = (char)(0x80 | (cp >> 6 & 0x3F));
            *out++ = (char)(0x80 | (cp & 0x3F));
            p += 12;
            continue;
        }
        if (p[0] == '\\' && p[1])
            *out++ = *p++;
        *out++ = *p++;
    }
    *out = '\0';
    return (size_t)(out - text);
}

static enum status parse(struct str text, yaml_document_t *ret_document, struct error *ret_err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return error_set(ret_err, ST_INTERNAL, 0, "libyaml has no memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    enum status status = ST_OK;
    if (!yaml_parser_load(&parser, ret_document))
        status = error_set(ret_err, ST_INVAL, (int)parser.problem_mark.line + 1, "%s",
                           parser.problem ? parser.problem : "malformed");
    yaml_parser_delete(&parser);
    return status;
}

enum status yaml_file_load(const char *file, struct yaml_file **ret_yaml, struct error *ret_err)
{
    struct buf text = BUF_INIT(YAML_FILE_BYTES_MAX);
    enum status status = text_file_read(file, &text, ret_err);
    struct yaml_file *yaml = xcalloc(1, sizeof(*yaml));
    if (status == ST_OK && text.len > 0 && strlen(text.data) != text.len)
        status = error_set(ret_err, ST_INVAL, 0, "a NUL byte in the text");
    if (status == ST_OK && text.len > 0 && str_ends(str_of(file), STR_LIT(".json"))) {
        blank_comments(text.data);
        blank_tabs(text.data);
        buf_truncate(&text, join_surrogates(text.data));
    }
    if (status == ST_OK)
        status = parse(buf_str(&text), &yaml->document, ret_err);
    buf_done(&text);
    if (status != ST_OK) {
        free(yaml);
        return status;
    }
    *ret_yaml = yaml;
    return ST_OK;
}

enum status yaml_text_load(struct str text, struct yaml_file **ret_yaml, struct error *ret_err)
{
    if (text.n > YAML_FILE_BYTES_MAX)
        return error_set(ret_err, ST_TOO_LARGE, 0, "larger than %d bytes", YAML_FILE_BYTES_MAX);
    struct yaml_file *yaml = xcalloc(1, sizeof(*yaml));
    enum status status = utf8_is_valid(text) ? parse(text, &yaml->document, ret_err)
                                             : error_set(ret_err, ST_INVAL, 0, "not UTF-8");
    if (status == ST_OK)
        *ret_yaml = yaml;
    else
        free(yaml);
    return status;
}

void yaml_file_free(struct yaml_file *yaml)
{
    if (!yaml)
        return;
    yaml_document_delete(&yaml->document);
    free(yaml);
}

/* libyaml's accessors do not take const, and change nothing. */
static yaml_node_t *node_of(const struct yaml_file *yaml, int node)
{
    struct yaml_file *mutable = (struct yaml_file *)(uintptr_t)yaml;
    return node > 0 ? yaml_document_get_node(&mutable->document, node) : NULL;
}

int yaml_file_root(const struct yaml_file *yaml)
{
    return node_of(yaml, 1) ? 1 : 0;
}

static bool is_null_word(const yaml_node_t *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp((const char *)node->data.scalar.value, words[i]) == 0)
            return true;
    }
    return false;
}

enum yaml_kind yaml_file_kind_of(const struct yaml_file *yaml, int number)
{
    const yaml_node_t *node = node_of(yaml, number);
    if (!node || (node->type == YAML_SCALAR_NODE && is_null_word(node)))
        return YAML_NULL;
    if (node->type == YAML_SEQUENCE_NODE)
        return YAML_LIST;
    return node->type == YAML_MAPPING_NODE ? YAML_MAP : YAML_SCALAR;
}

int yaml_file_line(const struct yaml_file *yaml, int number)
{
    const yaml_node_t *node = node_of(yaml, number);
    return node ? (int)node->start_mark.line + 1 : 0;
}

struct str yaml_file_text(const struct yaml_file *yaml, int number)
{
    const yaml_node_t *node = node_of(yaml, number);
    if (!node || node->type != YAML_SCALAR_NODE || is_null_word(node))
        return (struct str){"", 0};
    return (struct str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

size_t yaml_file_count(const struct yaml_file *yaml, int number)
{
    const yaml_node_t *node = node_of(yaml, number);
    if (node && node->type == YAML_SEQUENCE_NODE)
        return (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (node && node->type == YAML_MAPPING_NODE)
        return (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    return 0;
}

int yaml_file_item(const struct yaml_file *yaml, int list, size_t i)
{
    const yaml_node_t *node = node_of(yaml, list);
    return i < yaml_file_count(yaml, list) && node->type == YAML_SEQUENCE_NODE
               ? node->data.sequence.items.start[i]
               : 0;
}

static const yaml_node_pair_t *pair_of(const struct yaml_file *yaml, int map, size_t i)
{
    const yaml_node_t *node = node_of(yaml, map);
    return i < yaml_file_count(yaml, map) && node->type == YAML_MAPPING_NODE
               ? &node->data.mapping.pairs.start[i]
               : NULL;
}

int yaml_file_key(const struct yaml_file *yaml, int map, size_t i)
{
    const yaml_node_pair_t *pair = pair_of(yaml, map, i);
    return pair ? pair->key : 0;
}

int yaml_file_value(const struct yaml_file *yaml, int map, size_t i)
{
    const yaml_node_pair_t *pair = pair_of(yaml, map, i);
    return pair ? pair->value : 0;
}

int yaml_file_find(const struct yaml_file *yaml, int map, const char *key)
{
    for (size_t i = yaml_file_count(yaml, map); i-- > 0;) {
        if (str_eq(yaml_file_text(yaml, yaml_file_key(yaml, map, i)), str_of(key)))
            return yaml_file_value(yaml, map, i);
    }
    return 0;
}
