#include "llm/azure.h"

#include <stdio.h>
#include <string.h>

#include "llm/openai_body.h"
#include "util/buf.h"
#include "util/str.h"

const struct provider azure_provider = {
    .name = "azure",
    .key_header = "api-key: ",
    .models_path = "/models",
    .lists_models = false, /* what it lists are models, not deployments */
    .has_images = true,
    .has_balance = false,
    .dialect_of = openai_dialect_of,
};

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* What may stand in a host's name and in a version. */
static bool is_plain(const char *text)
{
    for (; *text; text++) {
        if (!is_letter_or_digit(*text) && *text != '-')
            return false;
    }
    return true;
}

/* A segment of a path, with whatever else is in a name escaped. */
static void put_segment(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (is_letter_or_digit(*text) || strchr("-._~", *text))
            (void)buf_putc(out, *text);
        else
            (void)buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

/* Where "/openai" and what Azure puts behind it begin; the end of the text when they do not. */
static size_t base_length(struct str root)
{
    const struct str mark = STR_LIT("/openai");
    for (size_t i = root.n; i-- > 0;) {
        struct str rest = str_sub(root, i, root.n);
        if (str_starts(rest, mark) && (rest.n == mark.n || rest.p[mark.n] == '/'))
            return i;
    }
    return root.n;
}

/* Scheme, host and perhaps a path, without a slash at the end. root_resolve judges what people
 * write, and adds a version that is not wanted here. */
static enum status find_base(const struct azure_place *place, char ret_base[ROOT_SIZE_MAX],
                             struct error *ret_err)
{
    char root[ROOT_SIZE_MAX];
    char host[256];
    enum status status = root_resolve(place->endpoint, root, ret_err);
    if (status != ST_OK)
        return status;
    root_host(root, host, sizeof(host));
    /* Configurations that switched to Azure keep the address of OpenAI, where no deployment is. */
    bool is_named = *place->endpoint && strcmp(host, "api.openai.com") != 0;
    if (is_named) {
        root_billing_base(root, ret_base);
        ret_base[base_length(str_of(ret_base))] = '\0';
        return ST_OK;
    }
    if (!*place->resource || !is_plain(place->resource))
        return error_set(ret_err, ST_INVAL, 0,
                         "azure_resource_name is needed: letters, digits and hyphens");
    (void)snprintf(ret_base, ROOT_SIZE_MAX, "https://%s.openai.azure.com", place->resource);
    return ST_OK;
}

static bool is_new_form(const char *version)
{
    return !*version || strcmp(version, "v1") == 0 || strcmp(version, "preview") == 0;
}

static bool put_root(char ret_root[ROOT_SIZE_MAX], const char *base, const char *deployment)
{
    struct buf out = BUF_INIT(ROOT_SIZE_MAX - 1);
    (void)buf_printf(&out, "%s/openai/deployments/", base);
    put_segment(&out, deployment);
    bool is_whole = buf_status(&out) == ST_OK;
    if (is_whole)
        memcpy(ret_root, buf_cstr(&out), out.len + 1);
    buf_done(&out);
    return is_whole;
}

enum status azure_find_roots(const struct azure_place *place, struct azure_roots *ret_roots,
                             struct error *ret_err)
{
    char base[ROOT_SIZE_MAX];
    struct azure_roots roots = {0};
    enum status status = find_base(place, base, ret_err);
    if (status != ST_OK)
        return status;
    if (!*place->deployment)
        return error_set(ret_err, ST_INVAL, 0, "azure_deployment_name is needed");
    if (!is_plain(place->api_version) || strlen(place->api_version) > 32)
        return error_set(ret_err, ST_INVAL, 0, "azure_api_version is no version");
    bool is_new = is_new_form(place->api_version);
    bool has_version = !is_new || strcmp(place->api_version, "preview") == 0;
    size_t room = ROOT_SIZE_MAX - sizeof("/openai/v1");
    if (strlen(base) > room)
        return error_set(ret_err, ST_TOO_LARGE, 0, "the address is too long");
    (void)snprintf(roots.models_root, sizeof(roots.models_root), "%.*s/openai%s", (int)room, base,
                   is_new ? "/v1" : "");
    if (is_new) {
        memcpy(roots.root, roots.models_root, sizeof(roots.root));
        memcpy(roots.image_root, roots.models_root, sizeof(roots.image_root));
    } else if (!put_root(roots.root, base, place->deployment) ||
               !put_root(roots.image_root, base, place->image_deployment)) {
        return error_set(ret_err, ST_TOO_LARGE, 0, "the address is too long");
    }
    if (has_version)
        (void)snprintf(roots.query, sizeof(roots.query), "?api-version=%s", place->api_version);
    *ret_roots = roots;
    return ST_OK;
}
