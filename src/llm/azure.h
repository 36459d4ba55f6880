/*
 * OpenAI's models in Microsoft's Azure: the OpenAI dialect at other addresses, with a header of its
 * own for the key. Models are asked by the names of their deployments.
 */
#ifndef DB_LLM_AZURE_H
#define DB_LLM_AZURE_H

#include "llm/endpoint.h"
#include "llm/root.h"
#include "util/status.h"

extern const struct provider azure_provider;

struct azure_place {
    const char *resource;         /* "" where `endpoint` is given */
    const char *deployment;       /* of the model for conversations */
    const char *image_deployment; /* "": no images */
    /* "2024-10-21": the classic addresses, below the deployment. "", "v1" or "preview": those
     * below /openai/v1, where the body names the deployment. */
    const char *api_version;
    /* "", or where the resource is reached instead of RESOURCE.openai.azure.com: a private endpoint
     * or a gateway, with or without the path from /openai on. */
    const char *endpoint;
};

struct azure_roots {
    char root[ROOT_SIZE_MAX];
    char image_root[ROOT_SIZE_MAX];
    char models_root[ROOT_SIZE_MAX];
    char query[64]; /* "" or "?api-version=…" */
};

/* ST_INVAL with a reason where something is missing or no address can be made of it. */
enum status azure_find_roots(const struct azure_place *place, struct azure_roots *ret_roots,
                             struct error *ret_err) DB_MUST_CHECK;

#endif
