typedef int llm_balance_is_empty;
