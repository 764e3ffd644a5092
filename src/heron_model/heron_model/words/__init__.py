"""What people say to the car and what it says to them, in English and Japanese: grammars, tokenizer, scores. No torch."""
