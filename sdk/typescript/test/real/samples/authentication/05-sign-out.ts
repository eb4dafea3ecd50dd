// Sign out
await client.auth.signOut();
