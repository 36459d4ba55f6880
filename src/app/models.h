/* From the configuration to the models that are asked. */
#ifndef DB_APP_MODELS_H
#define DB_APP_MODELS_H

#include "app/bridge.h"
#include "util/status.h"

/* Opens bridge->llm; the keys become secrets of the log. ST_INVAL where no address can be made of
 * what is configured. */
enum status models_open(struct bridge *bridge, struct error *ret_err) DB_MUST_CHECK;

#endif
