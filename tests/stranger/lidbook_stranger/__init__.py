"""A Lidbook engine that reaches WhatsApp through an HTTP gateway. It knows Lidbook's contract, and nothing behind
it."""
