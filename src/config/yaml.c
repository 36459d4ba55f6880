typedef int config_yaml_is_empty;
