await client.auth.sendMagicLink({ email: "user@example.com" });
// User clicks link in email, automatically signed in
