// Sign in
const { user, session } = await client.auth.signIn({
email: "user@example.com",
password: "SecurePassword123",
});
