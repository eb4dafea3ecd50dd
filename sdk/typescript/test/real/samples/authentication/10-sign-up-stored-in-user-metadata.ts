// Sign up with metadata (stored in user_metadata column)
const { user, session } = await client.auth.signUp({
email: "user@example.com",
password: "SecurePassword123",
options: {
data: {
name: "John Doe",
avatar_url: "https://...",
preferences: { theme: "dark" },
},
},
});
