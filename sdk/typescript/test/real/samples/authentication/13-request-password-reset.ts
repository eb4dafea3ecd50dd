// Request reset (sends email with token)
await client.auth.resetPassword({ email: "user@example.com" });
