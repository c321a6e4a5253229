"""One module per group of questions: what is asked, what is observed, and what that means."""
