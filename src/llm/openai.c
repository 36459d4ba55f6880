#include "llm/openai.h"

#include "llm/openai_body.h"

const struct provider openai_provider = {
    .name = "openai",
    .key_header = "Authorization: Bearer ",
    .models_path = "/models",
    .lists_models = true,
    .has_images = true,
    .has_balance = true,
    .dialect_of = openai_dialect_of,
};
