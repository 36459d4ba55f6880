typedef int chat_templates_is_empty;
