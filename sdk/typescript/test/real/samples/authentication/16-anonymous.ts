// Sign in without account
const { user, session } = await client.auth.signInAnonymously();
// Convert to permanent account later
await client.auth.convertAnonymousUser({
email: "user@example.com",
password: "SecurePassword123",
});
