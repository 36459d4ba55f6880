#include "tools/target.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "util/mem.h"

#define LABEL_BYTES_MAX 63
#define NAME_BYTES_MAX 253

/* The authority of a URL, or the whole text. */
static struct str strip_url(struct str text)
{
    ptrdiff_t scheme = str_find(text, STR_LIT("://"));
    if (scheme >= 0)
        text = str_sub(text, (size_t)scheme + 3, text.n);
    size_t n = 0;
    while (n < text.n && !memchr("/?#", text.p[n], 3))
        n++;
    return str_sub(text, 0, n);
}

static bool is_address(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

static bool is_label(struct str label)
{
    if (label.n == 0 || label.n > LABEL_BYTES_MAX || label.p[0] == '-' ||
        label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

/* Names whose last label is a number are addresses in other spellings, which nobody means. */
static bool is_name(struct str name)
{
    size_t n_labels = 0;
    struct str label = {0};
    if (name.n > NAME_BYTES_MAX)
        return false;
    for (bool is_last = false; !is_last; n_labels++) {
        is_last = !memchr(name.p, '.', name.n);
        label = str_cut(&name, '.');
        if (!is_label(label))
            return false;
    }
    return n_labels > 1 && !(label.p[0] >= '0' && label.p[0] <= '9');
}

/* The name as name servers know it. */
static enum status to_ascii(struct str name, char ret_host[TARGET_HOST_SIZE])
{
    DB_CLEANUP(free_charp) char *text = xstrndup(name.p, name.n);
    char *ascii = NULL;
    enum status status = ST_INVAL;
    /* UTS 46 maps what people type (capitals, full width, 。) to what is registered. */
    if (!memchr(name.p, 0, name.n) && utf8_is_valid(name) &&
        idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK) {
        struct str found = str_of(ascii);
        if (found.n > 0 && found.p[found.n - 1] == '.')
            found.n--;
        if (is_name(found)) {
            memcpy(ret_host, found.p, found.n);
            ret_host[found.n] = '\0';
            status = ST_OK;
        }
    }
    idn2_free(ascii);
    return status;
}

static enum status read_port(struct str text, int *ret_port)
{
    int64_t port;
    if (parse_i64(text, 1, 65535, &port) != ST_OK || text.p[0] == '+')
        return ST_INVAL;
    *ret_port = (int)port;
    return ST_OK;
}

static enum status take_address(struct str text, struct target *target)
{
    if (text.n == 0 || text.n >= INET6_ADDRSTRLEN)
        return ST_INVAL;
    memcpy(target->host, text.p, text.n);
    target->host[text.n] = '\0';
    target->is_address = is_address(target->host);
    return target->is_address ? ST_OK : ST_INVAL;
}

enum status target_read(struct str typed, struct target *ret_target)
{
    struct target target = {0};
    struct str rest = strip_url(str_trim(typed));
    struct str host;
    bool has_port = false;
    enum status status = take_address(rest, &target); /* IPv6 without brackets too */
    if (status == ST_OK) {
        *ret_target = target;
        return ST_OK;
    }
    if (rest.n > 0 && rest.p[0] == '[') {
        rest = str_sub(rest, 1, rest.n);
        if (!memchr(rest.p, ']', rest.n))
            return ST_INVAL;
        host = str_cut(&rest, ']');
        if (rest.n > 0 && rest.p[0] != ':')
            return ST_INVAL;
        has_port = rest.n > 0;
        rest = str_sub(rest, 1, rest.n);
        status = take_address(host, &target);
    } else {
        has_port = rest.n > 0 && memchr(rest.p, ':', rest.n);
        host = str_cut(&rest, ':');
        status = take_address(host, &target);
        if (status != ST_OK)
            status = to_ascii(host, target.host);
    }
    if (status == ST_OK && has_port)
        status = read_port(rest, &target.port);
    if (status == ST_OK)
        *ret_target = target;
    return status;
}
