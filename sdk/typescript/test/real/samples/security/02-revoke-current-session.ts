// Revoke current session
await client.auth.signOut();
