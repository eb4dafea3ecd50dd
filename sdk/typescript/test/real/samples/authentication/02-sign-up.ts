// Sign up with user metadata
const { user, session } = await client.auth.signUp({
email: "user@example.com",
password: "SecurePassword123",
options: {
data: {
name: "John Doe",
avatar_url: "https://...",
},
},
});
