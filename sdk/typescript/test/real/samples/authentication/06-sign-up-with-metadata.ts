// Sign up with metadata (Supabase-compatible)
const { user, session } = await client.auth.signUp({
email: "user@example.com",
password: "SecurePassword123",
options: {
data: {
name: "John Doe",
role: "developer",
},
},
});
