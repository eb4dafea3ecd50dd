// Update metadata (Supabase-compatible)
await client.auth.updateUser({
data: { name: "John Doe", avatar_url: "https://..." },
});
