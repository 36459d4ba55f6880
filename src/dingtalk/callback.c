#include "dingtalk/callback.h"
