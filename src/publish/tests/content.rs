//! What the files say: every cell read back, odd values, one schema, the counts, the card, and the golden bytes.
