#include "net/sse.h"

#include <stdint.h>
#include <string.h>

static const char bom[] = "\xEF\xBB\xBF";
#define BOM_SIZE (sizeof(bom) - 1)

void sse_init(struct sse *sse, size_t max_bytes, sse_fn fn, void *arg)
{
    *sse = (struct sse){.fn = fn, .arg = arg};
    buf_init(&sse->line, max_bytes);
    buf_init(&sse->data, max_bytes);
    buf_init(&sse->type, max_bytes);
}

void sse_done(struct sse *sse)
{
    buf_done(&sse->line);
    buf_done(&sse->data);
    buf_done(&sse->type);
}

static void forget_event(struct sse *sse)
{
    buf_clear(&sse->data);
    buf_clear(&sse->type);
    sse->has_data = false;
}

static enum status dispatch(struct sse *sse)
{
    enum status status = ST_OK;
    if (sse->has_data) {
        struct sse_event event = {
            .type = sse->type.len ? buf_str(&sse->type) : STR_LIT("message"),
            .data = buf_str(&sse->data),
        };
        status = sse->fn(&event, sse->arg);
    }
    forget_event(sse);
    return status;
}

static enum status take_field(struct sse *sse, struct str name, struct str value)
{
    if (str_eq(name, STR_LIT("data"))) {
        if (sse->has_data)
            (void)buf_putc(&sse->data, '\n');
        sse->has_data = true;
        (void)buf_add_str(&sse->data, value);
        return buf_status(&sse->data);
    }
    if (str_eq(name, STR_LIT("event"))) {
        buf_clear(&sse->type);
        return buf_add_str(&sse->type, value);
    }
    /* `id` and `retry` serve reconnecting, which none of our peers can do in mid-answer. */
    return ST_OK;
}

static enum status take_line(struct sse *sse, struct str line)
{
    if (line.n == 0)
        return dispatch(sse);
    if (line.p[0] == ':')
        return ST_OK;

    struct str value = line;
    struct str name = str_cut(&value, ':');
    if (value.n > 0 && value.p[0] == ' ')
        value = str_sub(value, 1, value.n);
    return take_field(sse, name, value);
}

/* A line that lies whole in what was fed is taken from there, without a copy. */
static enum status end_line(struct sse *sse, struct str tail)
{
    if (sse->line.len == 0)
        return tail.n > sse->line.max ? ST_TOO_LARGE : take_line(sse, tail);
    enum status status = buf_add_str(&sse->line, tail);
    if (status == ST_OK)
        status = take_line(sse, buf_str(&sse->line));
    buf_clear(&sse->line);
    return status;
}

/* The mark may come in pieces; what began like one and is none belongs to the first line. */
static enum status skip_bom(struct sse *sse, struct str *bytes)
{
    while (bytes->n > 0 && sse->bom_seen < BOM_SIZE && bytes->p[0] == bom[sse->bom_seen]) {
        sse->bom_seen++;
        *bytes = str_sub(*bytes, 1, bytes->n);
    }
    if (sse->bom_seen < BOM_SIZE && bytes->n == 0)
        return ST_OK;

    enum status status = ST_OK;
    if (sse->bom_seen < BOM_SIZE)
        status = buf_add(&sse->line, bom, sse->bom_seen);
    sse->bom_seen = SIZE_MAX;
    return status;
}

enum status sse_feed(struct sse *sse, struct str bytes)
{
    enum status status = ST_OK;
    if (sse->bom_seen != SIZE_MAX)
        status = skip_bom(sse, &bytes);

    while (status == ST_OK && bytes.n > 0) {
        if (sse->skip_lf) {
            sse->skip_lf = false;
            if (bytes.p[0] == '\n') {
                bytes = str_sub(bytes, 1, bytes.n);
                continue;
            }
        }
        size_t n = 0;
        while (n < bytes.n && bytes.p[n] != '\n' && bytes.p[n] != '\r')
            n++;
        struct str line = str_sub(bytes, 0, n);
        if (n == bytes.n)
            return buf_add_str(&sse->line, line);
        sse->skip_lf = bytes.p[n] == '\r';
        bytes = str_sub(bytes, n + 1, bytes.n);
        status = end_line(sse, line);
    }
    return status;
}

enum status sse_finish(struct sse *sse)
{
    enum status status = ST_OK;
    if (sse->line.len > 0)
        status = end_line(sse, (struct str){"", 0});
    return status == ST_OK ? dispatch(sse) : status;
}
