#include "dingtalk/webhook.h"
