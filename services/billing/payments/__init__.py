"""Payment providers: where people are sent to pay, and how their decision comes back."""
