#include "config/prompts.h"
