#include "dingtalk/message.h"
