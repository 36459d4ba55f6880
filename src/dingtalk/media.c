#include "dingtalk/media.h"

#include <stdlib.h>
#include <string.h>

#include "dingtalk/picture.h"
#include "util/buf.h"
#include "util/crypto.h"
#include "util/json.h"
#include "util/list.h"
#include "util/log.h"
#include "util/mem.h"

#define PICTURE_BYTES_MAX ((size_t)20 * 1024 * 1024)
#define FORM_BYTES_MAX (PICTURE_BYTES_MAX + 4096)
#define BOUNDARY_BYTES 16
#define UPLOAD_TIMEOUT_MS 60000

struct media {
    struct api *api;
    struct work *work;
    struct list uploads;
};

struct upload {
    struct list node;
    struct media *media;
    int app;
    struct buf bytes;
    const char *content_type; /* one of kinds */
    enum status status;
    uint64_t call;
    picture_published_fn fn;
    void *arg;
};

/* What DingTalk takes, and what has to be made into it. */
static const struct {
    const char *content_type;
    const char *file_name;
} kinds[] = {
    {"image/png", "image.png"},
    {"image/jpeg", "image.jpg"},
    {"image/gif", "image.gif"},
};

struct media *media_new(struct api *api, struct work *work)
{
    struct media *media = xcalloc(1, sizeof(*media));
    media->api = api;
    media->work = work;
    list_init(&media->uploads);
    return media;
}

static void upload_free(struct upload *upload)
{
    api_cancel(upload->media->api, upload->call);
    list_remove(&upload->node);
    buf_done(&upload->bytes);
    free(upload);
}

void media_free(struct media *media)
{
    if (!media)
        return;
    LIST_FOREACH(node, next, &media->uploads)
    upload_free(LIST_ENTRY(node, struct upload, node));
    free(media);
}

static void finish(struct upload *upload, const char *media_id)
{
    upload->fn(media_id, upload->arg);
    upload_free(upload);
}

static void on_uploaded(uint64_t id, const struct api_answer *answer, void *arg)
{
    struct upload *upload = arg;
    (void)id;
    upload->call = 0;
    struct str media_id = json_str(answer->value, "media_id");
    if (answer->result == API_OK && media_id.n > 0) {
        DB_CLEANUP(free_charp) char *text = xstrndup(media_id.p, media_id.n);
        finish(upload, text);
        return;
    }
    log_event(LOG_WARN, "media", "not_uploaded", LOG_S("reason", api_result_name(answer->result)),
              LOG_I("code", answer->error.code), LOG_S("detail", answer->error.text));
    finish(upload, NULL);
}

static const char *file_name_of(const char *content_type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].content_type, content_type) == 0)
            return kinds[i].file_name;
    }
    return NULL;
}

static void put_form(const struct upload *upload, const char *boundary, struct buf *out)
{
    buf_printf(out,
               "--%s\r\nContent-Disposition: form-data; name=\"media\"; filename=\"%s\"\r\n"
               "Content-Type: %s\r\n\r\n",
               boundary, file_name_of(upload->content_type), upload->content_type);
    buf_add_str(out, buf_str(&upload->bytes));
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}

static void send_up(struct upload *upload)
{
    char boundary[2 * BOUNDARY_BYTES + 1];
    crypto_random_hex(boundary, BOUNDARY_BYTES);
    DB_CLEANUP(free_charp)
    char *content_type = xasprintf("multipart/form-data; boundary=%s", boundary);
    struct buf form = BUF_INIT(FORM_BYTES_MAX);
    put_form(upload, boundary, &form);
    const struct api_request request = {
        .app = upload->app,
        .method = "POST",
        .path = "/media/upload?type=image",
        .is_oapi = true,
        .content_type = content_type,
        .body = buf_str(&form),
        .kind = "media_upload",
        .timeout_ms = UPLOAD_TIMEOUT_MS,
    };
    upload->call = api_call(upload->media->api, &request, on_uploaded, upload);
    buf_done(&form);
}

/* On the worker. */
static void convert(void *arg)
{
    struct upload *upload = arg;
    if (file_name_of(upload->content_type))
        return;
    struct buf png = BUF_INIT(PICTURE_BYTES_MAX);
    upload->status = picture_webp_to_png(buf_str(&upload->bytes), &png);
    buf_done(&upload->bytes);
    upload->bytes = png;
    upload->content_type = kinds[0].content_type;
}

static void on_converted(void *arg)
{
    struct upload *upload = arg;
    if (upload->status == ST_OK) {
        send_up(upload);
        return;
    }
    log_event(LOG_WARN, "media", "not_converted", LOG_S("reason", status_name(upload->status)));
    finish(upload, NULL);
}

void media_upload(struct media *media, int app, struct str bytes, const char *content_type,
                  picture_published_fn fn, void *arg)
{
    struct upload *upload = xcalloc(1, sizeof(*upload));
    upload->media = media;
    upload->app = app;
    upload->content_type = content_type;
    upload->fn = fn;
    upload->arg = arg;
    buf_init(&upload->bytes, PICTURE_BYTES_MAX);
    upload->status = buf_add_str(&upload->bytes, bytes);
    list_push_back(&media->uploads, &upload->node);
    work_run(media->work, convert, on_converted, upload);
}
