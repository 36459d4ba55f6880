/* A message as JSON, the form in which the inbox keeps it through restarts. */
#ifndef DB_CHAT_MESSAGE_RECORD_H
#define DB_CHAT_MESSAGE_RECORD_H

#include "chat/platform.h"
#include "util/json.h"

/* The caller owns the result. */
json_t *message_record_new(const struct message *message);
/* Fills `ret_message` with strings borrowed from the record. */
void message_record_view(const json_t *record, struct message *ret_message);

#endif
