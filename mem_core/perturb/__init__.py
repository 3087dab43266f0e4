"""The method: noise and trigger words that lower the loss, within the budget and as text that survives publishing."""
