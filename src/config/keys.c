typedef int config_keys_is_empty;
